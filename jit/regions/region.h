// A compiled region and what of tier 1 it stands for.
#pragma once

#include <array>
#include <vector>

#include "jit/llvm/compiler.h"
#include "jit/runtime/translation.h"

namespace tandem::jit {

struct Region {
  // A page of guest code, by its distance from the first block's.
  struct Page {
    PlaceInRegion distance;
    u64 physical;
  };

  std::vector<Translation*> blocks;   // by their numbers in the plan
  std::vector<PlaceInRegion> places;  // of each
  std::vector<Page> pages;
  CompiledRegion code;
  EntryPoints entries;           // in the place of its first block's
  std::array<u8, 5> replaced{};  // what its first block's checked entry began with
  u64 checked_page = ~u64{0};    // linear, for which `pages` were found to be mapped as they were
  u64 checked_generation = 0;    // of mappings
  // After so many entries it is seen whether they are worth it, and times_entered and retired begin anew.
  static constexpr u64 kEnoughEntries = 2000;
  u64 times_entered = 0, retired = 0, times_refused = 0;
  bool in_use = false;         // its first block's entries lead to it
  bool proven = false;         // it was tried against the blocks, and paid
  u64 retired_in_stretch = 0;  // since the last look at samples

  Translation& head() const { return *blocks[0]; }
};

}  // namespace tandem::jit
