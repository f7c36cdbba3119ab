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

// A check that was moved to where flags need not be saved for it: of an address in registers, as they are
// there.
struct HoistedCheck {
  u8 group = kNoGroup;
  u8 base = 0, index = 0xff, scale_log2 = 0;  // 0 RAX .. 15 R15, 0xff: none
  i32 disp = 0;
  u32 size = 0;
  bool write = false;
};

struct BlockView {
  std::span<const isa::Insn> insns;
  std::span<const Decoded> decoded;
  std::span<const Form> forms;
  std::span<const u32> live;  // flags before each
  unsigned free_at = 0;       // before which hoisted checks are to be done
  u8 word = 8;                // bytes of an address and of what is pushed
};

struct SharedChecks {
  std::vector<SharedCheck> of;  // one for each instruction
  std::vector<HoistedCheck> hoisted;
};

void share_checks(const BlockView& block, SharedChecks& checks);

}  // namespace tandem::jit
