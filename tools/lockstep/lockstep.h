// Two machines of the same guest, in step; and the search for the instruction after which they differ.
#pragma once

#include <array>

#include "tools/lockstep/compare.h"
#include "tools/lockstep/side.h"

namespace tandem::lockstep {

struct Options {
  u64 instructions = 200'000'000;
  u64 step = 100'000;           // CPU states are compared after so many instructions,
  u64 memory_step = 2'000'000;  // everything else after so many,
  u64 snapshot_step =
      500'000'000;  // and after so many both go on from a snapshot: a search starts from there
  bool lazy_flags = false;
};

// The instruction with which a difference began. Instructions count from 1.
struct Finding {
  u64 instruction = 0;
  // Translated code can be stopped only where its blocks end: the instruction behind which the machines were
  // compared. All from `instruction` on may have taken part.
  u64 seen_at = 0;
  bool repeats = true;   // false: a second run did not show it, and the rest says nothing
  bool narrowed = true;  // false: the block as a whole differs, whatever its part
  Comparison difference;
};

struct Verdict {
  u64 instructions = 0;  // executed by the first machine
  std::string end = {};  // how its guest ended; empty: it has not
  // Of the second machine's instructions, those that translated code executed; and of these, tier 2's.
  u64 translated = 0, by_tier_2 = 0;
  std::optional<Finding> finding = {};
};

class Lockstep {
 public:
  using Progress = std::function<void(u64 instructions)>;
  Lockstep(SideSpec first, SideSpec second, GuestMaker maker, Options options)
      : specs_{std::move(first), std::move(second)}, maker_(std::move(maker)), options_(options) {}

  // progress: called now and then.
  Result<Verdict> run(const Progress& progress = {});

  const SideSpec& spec(unsigned n) const { return specs_[n]; }
  // Where a search starts.
  u64 origin() const { return origin_; }
  // The first machine alone, after so many instructions; they were run as they are in run().
  Result<std::unique_ptr<Side>> first_at(u64 position);

 private:
  struct Pair {
    std::unique_ptr<Side> first, second;
  };

  Result<std::unique_ptr<Side>> start(unsigned n);
  Result<Pair> start_both();
  Result<void> advance(Side& side, u64 to);
  Result<void> advance(Pair& pair, u64 to);
  Result<Comparison> differs(Pair& pair, bool memory);
  Result<Comparison> probe(u64 stop, u64 to);
  void count_translated(Pair& pair);
  Result<void> take_snapshot(Pair& pair);
  Result<Finding> search(u64 equal, u64 different);
  Result<void> narrow(Finding& finding);

  std::array<SideSpec, 2> specs_;
  GuestMaker maker_;
  Options options_;
  // Where every run begins: power-on, or a snapshot.
  u64 origin_ = 0;
  std::vector<u8> snapshot_;
  u64 translated_ = 0, by_tier_2_ = 0;  // see Verdict
};

}  // namespace tandem::lockstep
