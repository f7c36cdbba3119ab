// Components of an XSAVE area beyond the legacy region, and which of them are in use (SDM vol.
// 1, 13.4, 13.6).
#pragma once

#include "core/cpu/cpu.h"

namespace tandem::semantics {

inline constexpr unsigned kXsaveHeader = 512, kXsaveHeaderBytes = 64, kXsaveExtended = 576;
inline constexpr unsigned kXsaveMaxBytes = 4096;
inline constexpr unsigned kFirstExtended = 2, kLastExtended = 7;

inline constexpr unsigned kLargestComponent = 1024;  // Hi16_ZMM

// Where an area has its components: those of XCOMP_BV in the compacted format (13.4.3), any in the standard
// one.
struct XsaveLayout {
  XsaveLayout(const cpu::Cpu& cpu, u64 components, bool compacted);
  u32 offset[kLastExtended + 1] = {}, size[kLastExtended + 1] = {};
  u32 end = kXsaveExtended;  // bytes of the area
};

void write_component(const cpu::Cpu& cpu, unsigned index, u8* to);
void read_component(cpu::Cpu& cpu, unsigned index, const u8* from);
// Puts a component (0 and 1 too) to its initial configuration; MXCSR is not part of it here.
void init_component(cpu::Cpu& cpu, unsigned index);
// XINUSE, without MXCSR.
u64 components_in_use(const cpu::Cpu& cpu);

}  // namespace tandem::semantics
