// The 512 bytes of FXSAVE, which are also the legacy region of an XSAVE area (SDM vol. 1, 10.5.1, 13.4.1).
#pragma once

#include "core/cpu/cpu.h"

namespace tandem::semantics {

inline constexpr unsigned kLegacyArea = 512;
inline constexpr unsigned kX87HeaderBytes = 24, kMxcsrOffset = 24, kStOffset = 32, kXmmOffset = 160;

// wide: the form with REX.W, whose pointers have 64 bits.
void write_x87(const cpu::X87State& x87, bool wide, u8* area);
void read_x87(const u8* area, bool wide, cpu::X87State& x87);
// XMM0..XMM7, in 64-bit mode XMM0..XMM15.
unsigned xmm_count(const cpu::Cpu& cpu);
void write_xmm(const cpu::Cpu& cpu, u8* area);
void read_xmm(cpu::Cpu& cpu, const u8* area);

}  // namespace tandem::semantics
