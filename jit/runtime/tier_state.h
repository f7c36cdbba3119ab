// How the tier's frame and code have the state of the CPU.
#pragma once

#include "core/base/bits.h"
#include "core/interp/context.h"
#include "core/semantics/host/xsave_area.h"

namespace tandem::jit {

// TierFrame::flags has AH as LAHF gives it and OF in AL.
inline u64 rflags_of(u64 slot) { return (slot >> 8 & 0xd5) | (slot & 1 ? cpu::kOf : 0); }
inline u64 slot_of(u64 rflags) { return (rflags & 0xd5) << 8 | 0x200 | (rflags & cpu::kOf ? 1 : 0); }

// Is the stack where hosted 64-bit code relies on it?
inline bool rsp_is_verified(const interp::Context& c) {
  return c.mode.code_size != 8 || c.state.gpr[cpu::kRsp] >> interp::TierFrame::kRegionShift ==
                                      c.tier.regions[interp::TierFrame::kStackRegion].key;
}

// Brings TierFrame::upper_in_use up to date, if the state's vectors were written.
inline void look_at_upper_vectors(interp::Context& c) {
  if (!c.upper_vectors_written) return;
  c.upper_vectors_written = false;
  c.tier.upper_in_use = semantics::components_in_use(c) & (cpu::kXfeatureAvx | cpu::kXfeatureZmmHi256);
}

inline u64 page_of(u64 linear) { return linear & ~kPageMask; }
inline bool is_canonical(u64 a) { return sign_extend_from(a, 48) == a; }

}  // namespace tandem::jit
