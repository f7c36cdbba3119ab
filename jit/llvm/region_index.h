// What regions there are in the store, by any block of theirs: so that a run finds those of an earlier one
// before it knows as much of the guest's code as that one did.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "jit/llvm/plan.h"

namespace tandem::jit {

// What a run found out about a region.
enum class RegionVerdict : u8 { Untried, Pays, Fails };

// A compiled region without its code. The first block is the one that is entered.
struct RegionOutline {
  struct Block {
    PlaceInRegion at = 0;
    std::vector<u8> bytes;
    bool operator==(const Block&) const = default;
  };
  RegionKey key;
  RegionVerdict verdict = RegionVerdict::Untried;
  PlanSettings settings;
  std::vector<Block> blocks;
};
RegionOutline outline_of(const RegionPlan& plan, const RegionKey& key);

// Of any thread.
class RegionIndex {
 public:
  using Outlines = std::vector<std::shared_ptr<const RegionOutline>>;

  // In the place of one of the same key.
  void add(RegionOutline outline);
  void judge(const RegionKey& key, RegionVerdict verdict);
  // Those of these settings that a block of these bytes at this offset in its page is part of, the largest
  // first.
  Outlines with_block(const PlanSettings& settings, u64 offset, std::span<const u8> bytes) const;

 private:
  void remove(const RegionOutline& outline);  // with mutex_ held

  mutable std::mutex mutex_;                                                     // guards what follows
  std::unordered_multimap<u64, std::shared_ptr<const RegionOutline>> by_block_;  // by a hash
};

}  // namespace tandem::jit
