// CPU states that boot protocols start a kernel in.
#pragma once

#include "core/cpu/cpu_state.h"

namespace tandem::machine {

// 32-bit protected mode, flat segments, paging and interrupts off (Multiboot 1, 3.2; PVH; Linux 32-bit
// protocol). The selectors' descriptors are only in the hidden parts unless the loader writes a GDT.
cpu::CpuState protected_mode_state(u64 entry);
// 64-bit mode with identity paging at cr3 (Linux 64-bit boot protocol).
cpu::CpuState long_mode_state(u64 entry, u64 cr3);

inline constexpr u16 kBootCs = 0x10, kBootDs = 0x18;  // Linux' __BOOT_CS and __BOOT_DS

}  // namespace tandem::machine
