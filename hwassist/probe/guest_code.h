// Small guests for the probe: a state in each mode, page tables and code.
#pragma once

#include "core/cpu/cpu_state.h"
#include "core/mem/guest_memory.h"
#include "hwassist/mode.h"

namespace tandem::hwassist::probe {

inline constexpr u64 kMemoryBytes = 4 * MiB;

// Page tables for all modes, and code that counts RCX down to 0 and then leaves: by HLT, or, where that is a
// fault, by a triple fault.
void lay_out(mem::GuestMemory& memory);
// Ready to run that loop so many times (in 16-bit code at most 65535); sse: one ADDPS before it.
cpu::CpuState state_in(CodeMode mode, u64 iterations, bool sse);
// Ready to read the TSC into RAX in 64-bit user code, and to leave with RCX = 0.
cpu::CpuState state_that_reads_tsc();
// Instructions of so many iterations.
constexpr u64 instructions_of(u64 iterations) { return 2 * iterations; }

}  // namespace tandem::hwassist::probe
