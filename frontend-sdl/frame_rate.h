// FrameRate: how many pictures there were a second, over the last second.
#pragma once

#include <chrono>
#include <deque>

namespace tandem::frontend {

class FrameRate {
 public:
  using Clock = std::chrono::steady_clock;
  void count(Clock::time_point now) {
    times_.push_back(now);
    forget(now);
  }
  double per_second(Clock::time_point now) {
    forget(now);
    return static_cast<double>(times_.size());
  }

 private:
  void forget(Clock::time_point now) {
    while (!times_.empty() && times_.front() + std::chrono::seconds(1) < now) times_.pop_front();
  }
  std::deque<Clock::time_point> times_;
};

}  // namespace tandem::frontend
