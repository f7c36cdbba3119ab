// Components of an XSAVE area beyond the legacy region, and which of them are in use (SDM vol.
// 1, 13.4, 13.6).
#pragma once

#include "core/cpu/cpu.h"

namespace tandem::semantics {

inline constexpr unsigned kXsaveHeader = 512, kXsaveHeaderBytes = 64, kXsaveExtended = 576;
inline constexpr unsigned kXsaveMaxBytes = 4096;
inline constexpr unsigned kFirstExtended = 2, kLastExtended = 7;

struct XsaveComponent {
  u32 offset = 0;  // in the standard format
  u32 size = 0;
  bool align64 = false;  // in the compacted format
};
XsaveComponent xsave_component(const cpu::Cpu& cpu, unsigned index);

// Offset of a component in an area of this format; compacted: XCOMP_BV names the components.
u32 component_offset(const cpu::Cpu& cpu, unsigned index, bool compacted, u64 xcomp_bv);
// Bytes of an area that holds these components.
u32 area_size(const cpu::Cpu& cpu, u64 components, bool compacted);

void write_component(const cpu::Cpu& cpu, unsigned index, u8* to);
void read_component(cpu::Cpu& cpu, unsigned index, const u8* from);
// Puts a component (0 and 1 too) to its initial configuration; MXCSR is not part of it here.
void init_component(cpu::Cpu& cpu, unsigned index);
// XINUSE, without MXCSR.
u64 components_in_use(const cpu::Cpu& cpu);

}  // namespace tandem::semantics
