// JitTier's part in tier 2: whether compiled regions pay.
#include <time.h>

#include <algorithm>
#include <utility>

#include "jit/runtime/jit_tier.h"

namespace tandem::jit {

namespace {

constexpr u32 kLongTime = 256;  // batches of samples

u64 thread_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<u64>(t.tv_sec) * 1'000'000'000 + static_cast<u64>(t.tv_nsec);
}

}  // namespace

// It is not to be tried again soon.
void JitTier::give_up(Region& region) {
  Translation& head = region.head();
  head.given_up_until = batch_ + (kLongTime << std::min(head.tries++, 16u));
  head.given_up_blocks = static_cast<u32>(region.blocks.size());
  drop(region);
}

// To enter and leave one takes as long as some hundred instructions of tier 1.
void JitTier::drop_what_does_not_pay() {
  constexpr u64 kPays = 1500;
  for (std::size_t n = regions_.size(); n-- > 0;) {
    Region& region = *regions_[n];
    if (region.times_entered < Region::kEnoughEntries) continue;
    const bool pays = region.retired / region.times_entered >= kPays;
    region.times_entered = region.retired = 0;
    if (!pays) give_up(region);
  }
}

// The region of those not tried yet that much of the last stretch ran in.
Region* JitTier::worth_a_trial(u64 retired) const {
  const auto is_candidate = [&](const Region& r) {
    return !r.proven && r.in_use && r.retired_in_stretch >= retired / 4;
  };
  for (const auto& r : regions_)
    if (is_candidate(*r)) return r.get();
  return nullptr;
}

// At the end of a stretch: what it says of the region that is on trial, and which is next.
void JitTier::follow_trial() {
  const u64 now = thread_ns();
  const u64 ns = std::max<u64>(now - std::exchange(stretch_began_ns_, now), 1);
  const u64 retired = std::max<u64>(figures_.retired - std::exchange(stretch_began_at_, figures_.retired), 1);
  if (trial_) {
    const u64 by_region = trial_->region->retired_in_stretch;
    judge(trial_->trial.add({.rate = static_cast<double>(retired) / static_cast<double>(ns),
                             .share = static_cast<double>(by_region) / static_cast<double>(retired)}));
  } else if (Region* const region = worth_a_trial(retired)) {
    trial_ = Trial{region, {}};
  }
  if (trial_) trial_->trial.wants_region() ? use(*trial_->region) : use_no_more(*trial_->region);
  for (const auto& r : regions_) r->retired_in_stretch = 0;
}

void JitTier::judge(RegionTrial::Verdict verdict) {
  using Verdict = RegionTrial::Verdict;
  if (verdict == Verdict::Open) return;
  Region& region = *trial_->region;
  trial_.reset();
  if (verdict != Verdict::Void)
    worker_->judge(region.code.key, verdict == Verdict::Pays ? RegionVerdict::Pays : RegionVerdict::Fails);
  if (verdict == Verdict::Fails) {
    ++region_figures_.failed;
    // Other heads of the same loops would do no better.
    for (Translation* t : region.blocks) t->retry_at = batch_ + kLongTime;
    return give_up(region);
  }
  region.proven = verdict == Verdict::Pays;
  use(region);
}

}  // namespace tandem::jit
