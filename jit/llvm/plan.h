// What tier 2 compiles at once: blocks of 64-bit guest code with one entry, and what it needs to know of
// them. Made on the vCPU's thread, read on the compiler's.
#pragma once

#include <optional>
#include <vector>

#include "core/isa/insn.h"

namespace tandem::jit {

// A linear address as its distance from the page of the region's first block: the code may be anywhere.
using PlaceInRegion = i64;

struct PlanBlock {
  PlaceInRegion at = 0;
  u64 rip = 0;  // when tier 1 translated it
  std::vector<isa::Insn> insns;
  std::vector<u8> bytes;
  // By number of the access (see RegionChooser): which of the TierFrame's regions it is hosted in, or kSoft.
  std::vector<u8> regions;
  std::vector<bool> leaves;  // the instruction is not lifted: see is_liftable()
  u32 counted_from = 0;      // see Translation
  // Blocks of the region to which its indirect branch goes.
  std::vector<PlaceInRegion> targets;

  PlaceInRegion end() const { return at + static_cast<i64>(bytes.size()); }

  static constexpr u8 kSoft = 0xff;
};

// What is the same for all regions that a CPU makes in one mode.
struct PlanSettings {
  unsigned widest_vector = 16;                    // bytes of the guest's vector registers
  bool limited = false;                           // looks whether the budget is spent
  bool exact_count = false, exact_flags = false;  // see JitOptions
  bool operator==(const PlanSettings&) const = default;
};

// 128 bits of a hash of everything that the object depends on but host and build.
struct RegionKey {
  u64 high = 0, low = 0;
  bool operator==(const RegionKey&) const = default;
};

struct RegionPlan {
  std::vector<PlanBlock> blocks;  // the first is the only one that is entered
  PlanSettings settings;
  std::optional<RegionKey> stored;  // of a region in the store with the same code, to be taken instead
};

// What compiled code does with vector and x87 registers.
struct RegionVectors {
  bool used = false;  // the host is to have the guest's MXCSR
  bool x87 = false;   // the host is to have the guest's x87 state, all exceptions masked, none pending
  bool wide = false;  // more than XMM registers are written
  bool clears_upper = false;  // see TierFrame::upper_cleared
  u32 whole = 0;              // bit n: the code has all of register n, not XMMn alone
};

// How compiled code is left: what it returned is the number of one of these.
struct RegionExit {
  enum class Kind : u8 {
    Refused,    // nothing was done: an address that the code relies on is elsewhere
    Attention,  // before the block at `at`: somebody asked, or the budget is spent
    Block,      // to the instruction at `at`, whose block has not been counted
    Site,       // instruction `insn` of `block` is to be executed by the interpreter, nothing of it was done
    Indirect,   // to CpuState::rip, by instruction `insn` of `block`
  };
  Kind kind = Kind::Refused;
  PlaceInRegion at = 0;
  u32 block = 0, insn = 0;
};

}  // namespace tandem::jit
