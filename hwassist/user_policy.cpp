#include "hwassist/user_policy.h"

#include <algorithm>

namespace tandem::hwassist {

namespace {
// A stay pays when it is so many times longer than the way there and back.
constexpr i64 kWorth = 4;
// An interrupt's handler is through after so many short slices; if not, something else runs.
constexpr unsigned kShortSlices = 64;
}  // namespace

bool UserPolicy::go(bool in_user_code, u64 cr3) {
  if (short_left_ == 0) short_slices_ = false;
  else --short_left_;
  if (!in_user_code) {
    if (const auto last = spaces_.find(last_); last != spaces_.end()) last->second.streak = 0;
    return false;
  }
  if (cr3 != last_) {
    if (spaces_.size() >= kMaxSpaces) spaces_.clear();
    spaces_[cr3].streak = 0;
    last_ = cr3;
  }
  Space& space = spaces_[cr3];
  return ++space.streak >= space.patience;
}

void UserPolicy::came_back(u64 cr3, i64 run_ns, i64 overhead_ns) {
  Space& space = spaces_[cr3];
  space.streak = 0;
  const bool good = run_ns >= kWorth * overhead_ns;
  space.patience = good ? 1 : std::min(space.patience * 2, kMaxPatience);
  short_slices_ = good;
  short_left_ = good ? kShortSlices : 0;
}

}  // namespace tandem::hwassist
