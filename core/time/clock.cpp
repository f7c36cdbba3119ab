#include "core/time/clock.h"

#include "core/base/types.h"

namespace tandem::time {

GuestNs Clock::time_of_tsc(u64 tsc_value) const {
  constexpr i64 kFar = i64{1} << 62;
  const u64 tsc_now = tsc();
  const GuestNs time = now();
  if (tsc_value <= tsc_now) return time;
  const u128 ns = (static_cast<u128>(tsc_value - tsc_now) * kSecond + tsc_hz() - 1) / tsc_hz();
  return ns > static_cast<u128>(kFar - raw(time)) ? GuestNs{kFar} : time + GuestNs{static_cast<i64>(ns)};
}

std::optional<GuestNs> Clock::next_deadline() const {
  std::lock_guard lock(mutex_);
  if (queue_.empty()) return std::nullopt;
  return queue_.begin()->first;
}

void Clock::arm(Timer& timer, GuestNs deadline) {
  {
    std::lock_guard lock(mutex_);
    const bool nearer = queue_.empty() || deadline < queue_.begin()->first;
    if (timer.armed_) queue_.erase(timer.place_);
    timer.place_ = queue_.emplace(deadline, &timer);
    timer.armed_ = true;
    if (!nearer) return;
  }
  deadline_earlier();
}

void Clock::cancel(Timer& timer) {
  std::lock_guard lock(mutex_);
  if (timer.armed_) queue_.erase(timer.place_);
  timer.armed_ = false;
}

void Clock::forget(Timer& timer) {
  std::unique_lock lock(mutex_);
  if (timer.armed_) queue_.erase(timer.place_);
  timer.armed_ = false;
  finished_.wait(lock, [&] { return running_ != &timer || running_on_ == std::this_thread::get_id(); });
}

void Clock::run_due() {
  const GuestNs until = now();
  std::unique_lock lock(mutex_);
  busy_ = true;
  while (!queue_.empty() && queue_.begin()->first <= until) {
    const GuestNs deadline = queue_.begin()->first;
    Timer* timer = queue_.begin()->second;
    queue_.erase(queue_.begin());
    timer->armed_ = false;
    running_ = timer;
    running_on_ = std::this_thread::get_id();
    lock.unlock();
    timer->callback_(deadline);
    lock.lock();
    running_ = nullptr;
    finished_.notify_all();
  }
  busy_ = false;
  finished_.notify_all();
}

void Clock::wait_idle() {
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [&] { return !busy_; });
}

void CountedClock::connect(std::function<u64()> retired, std::function<void()> earlier) {
  retired_ = std::move(retired);
  earlier_ = std::move(earlier);
}

GuestNs CountedClock::now() const {
  const u64 retired = retired_ ? retired_() : 0;
  return GuestNs{static_cast<i64>(retired) + skipped_.load(std::memory_order_relaxed)};
}

bool CountedClock::skip_to_deadline() {
  const std::optional<GuestNs> next = next_deadline();
  if (!next) return false;
  const i64 distance = raw(*next) - raw(now());
  if (distance > 0) skipped_.fetch_add(distance, std::memory_order_relaxed);
  return true;
}

void CountedClock::set(GuestNs time) { skipped_ = skipped_.load() + raw(time) - raw(now()); }

void CountedClock::deadline_earlier() {
  if (earlier_) earlier_();
}

void ManualClock::advance(i64 ns) {
  const i64 end = now_ + ns;
  for (;;) {
    const std::optional<GuestNs> next = next_deadline();
    if (!next || raw(*next) > end) break;
    if (raw(*next) > now_) now_ = raw(*next);
    run_due();
  }
  now_ = end;
}

void ManualClock::jump(i64 ns) {
  now_ += ns;
  run_due();
}

}  // namespace tandem::time
