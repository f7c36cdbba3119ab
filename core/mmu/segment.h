// Effective address -> linear address, with the checks of segmentation (SDM vol. 3, 5.3).
#pragma once

#include "core/cpu/cpu.h"
#include "core/isa/insn.h"
#include "core/mmu/access.h"

namespace tandem::mmu {

inline u64 register_at(const Cpu& cpu, u8 offset) {
  return load_le<u64>(reinterpret_cast<const u8*>(&cpu.state) + offset);
}

// base + index * scale + disp, cut to the address size. No segment.
inline u64 effective_address(const Cpu& cpu, const isa::Insn& insn) {
  const u64 ea = register_at(cpu, insn.base) + (register_at(cpu, insn.index) << insn.scale_log2) +
                 static_cast<u64>(insn.disp);
  if (insn.address_size == 8) return ea;
  return insn.address_size == 4 ? static_cast<u32>(ea) : static_cast<u16>(ea);
}

// The offset behind the last that such accesses by a segment may name, outside of 64-bit mode. 0: some of
// them, or all, take a closer look (expand-down segments), or are refused.
u64 offsets_end(const Cpu& cpu, unsigned segment, Access access);

// Linear address of size bytes at `offset` in a segment. False: #GP or #SS, set in cpu.fault.
[[nodiscard]] bool linearize(Cpu& cpu, unsigned segment, u64 offset, unsigned size, Access access,
                             u64& linear);

// The linear address of the memory operand of insn.
[[nodiscard]] inline bool operand_address(Cpu& cpu, const isa::Insn& insn, unsigned size, Access access,
                                          u64& linear) {
  return linearize(cpu, insn.segment, effective_address(cpu, insn), size, access, linear);
}

}  // namespace tandem::mmu
