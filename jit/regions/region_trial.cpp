#include "jit/regions/region_trial.h"

#include <algorithm>

namespace tandem::jit {

namespace {

// Where the region is a fifth of what runs, 1.01 of the whole is 1.05 of it.
constexpr double kLeastShare = 0.2;
constexpr double kClearlyPays = 1.02, kClearlyFails = 0.98;
// What is as fast as tier 1, as far as rates of such stretches can tell, stays.
constexpr double kAsFast = 0.985;
constexpr std::size_t kLeast = 3, kMost = 7;
constexpr unsigned kMostVoid = 4;

}  // namespace

RegionTrial::Verdict RegionTrial::add(const Stretch& stretch) {
  with_ = !with_;
  if (with_) {
    rate_without_ = stretch.rate;
    return Verdict::Open;
  }
  if (stretch.share < kLeastShare || rate_without_ <= 0)
    return ++void_ == kMostVoid ? Verdict::Void : Verdict::Open;
  ratios_.push_back(stretch.rate / rate_without_);
  return verdict();
}

RegionTrial::Verdict RegionTrial::verdict() const {
  if (ratios_.size() < kLeast) return Verdict::Open;
  const auto [least, most] = std::ranges::minmax(ratios_);
  if (least > kClearlyPays) return Verdict::Pays;
  if (most < kClearlyFails) return Verdict::Fails;
  if (ratios_.size() < kMost) return Verdict::Open;
  std::vector<double> sorted = ratios_;
  std::ranges::sort(sorted);
  return sorted[sorted.size() / 2] >= kAsFast ? Verdict::Pays : Verdict::Fails;
}

}  // namespace tandem::jit
