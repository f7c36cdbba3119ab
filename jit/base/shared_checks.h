// Which memory accesses of a block can share one check of the soft TLB.
//
// Accesses whose addresses differ by known distances form a group: its first one checks that the whole window
// lies in one page that may be accessed, and keeps the page's addend; the others use it. Where that check
// fails, the block goes on in its twin, in which every access has a check of its own.
#pragma once

#include <span>
#include <vector>

#include "core/interp/upper_tier.h"
#include "core/isa/insn.h"
#include "jit/base/decoded.h"

namespace tandem::jit {

inline constexpr u8 kNoGroup = 0xff;

// Of one instruction: its part in a group.
struct SharedCheck {
  u8 group = kNoGroup;  // number of the TierFrame's addend
  bool first = false;
  // Of the first: the window that is checked, from its own address.
  i32 low = 0;
  u32 size = 0;

  bool follows() const { return group != kNoGroup && !first; }
};

// checks: one for each instruction. forms: how they are translated.
void share_checks(std::span<const isa::Insn> insns, std::span<const Decoded> decoded,
                  std::span<const Form> forms, std::vector<SharedCheck>& checks);

}  // namespace tandem::jit
