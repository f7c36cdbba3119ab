// Which address spaces are worth being hosted: numbers in, decision out. Mapping a page costs the host some
// microseconds, and each access that then needs no check saves a fraction of a nanosecond: so it is for code
// that runs for long in an address space that changes little.
#pragma once

#include <algorithm>

#include "core/base/types.h"

namespace tandem::jit {

// What was spent on one address space, and what it has earned.
class HostedAccount {
 public:
  // after: instructions before it is worth it; 0: at once and for ever.
  explicit HostedAccount(u64 after) : after_(after) {}

  void ran(u64 instructions) {
    since_ += instructions;
    earn(instructions);
  }
  // What took so long, all that was told since the last time, may have waited for memory: where soft TLB and
  // page tables miss, too, each instruction has more to gain.
  void took(u64 ns) {
    const u64 usual = ns * kUsualRate;
    if (since_ < usual) earn(usual - since_);
    since_ = 0;
  }
  void faulted() { credit_ns_ -= kFaultNs; }
  void called(u64 calls, u64 pages) { credit_ns_ -= static_cast<i64>(calls * kCallNs + pages * kPageNs); }
  void wrote_table() { credit_ns_ -= kTableWriteNs; }

  bool is_worth_it() const { return instructions_ >= after_ && (after_ == 0 || credit_ns_ > 0); }
  // It was not: from now on it takes several times as many instructions.
  void gave_up() {
    instructions_ = 0;
    credit_ns_ = 0;
    after_ = std::min(after_ * kPatience, kMostInstructions);
  }

 private:
  void earn(u64 instructions) {
    instructions_ += instructions;
    credit_ns_ =
        std::min<i64>(credit_ns_ + static_cast<i64>(instructions / kInstructionsPerNs), kMostCreditNs);
  }

  // Measured on one machine (docs/performance.md): a fault's way to its site and back, a call of mmap, a page
  // that it populates, a write to a page table that has to be told.
  static constexpr i64 kFaultNs = 3000, kTableWriteNs = 300;
  static constexpr u64 kCallNs = 3000, kPageNs = 700;
  // Of what is saved, a third may be spent.
  static constexpr u64 kInstructionsPerNs = 20;
  static constexpr u64 kUsualRate = 3;  // instructions a nanosecond
  static constexpr i64 kMostCreditNs = 200'000'000;
  static constexpr u64 kPatience = 4, kMostInstructions = u64{1} << 36;

  u64 after_;
  u64 instructions_ = 0;
  u64 since_ = 0;  // took() was told
  i64 credit_ns_ = 0;
};

}  // namespace tandem::jit
