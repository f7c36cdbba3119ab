// Clock: guest time, and timers on it. Devices know only this.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "core/base/types.h"

namespace tandem::time {

inline constexpr i64 kSecond = 1'000'000'000, kMillisecond = 1'000'000, kMicrosecond = 1'000;

class Timer;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual GuestNs now() const = 0;  // [any-thread]
  // The time-stamp counter of every vCPU, before its offset.
  virtual u64 tsc() const = 0;
  virtual u64 tsc_hz() const = 0;
  // Where tsc() is the host's TSC and a constant while the clock goes: the constant.
  virtual std::optional<u64> host_tsc_offset() const { return {}; }
  // When the TSC will have this value.
  GuestNs time_of_tsc(u64 tsc_value) const;

  std::optional<GuestNs> next_deadline() const;

 protected:
  // Calls what is due, in the order of deadlines. No lock is held in a callback.
  void run_due();
  // Waits until run_due(), called by another thread, has returned.
  void wait_idle();
  virtual void deadline_earlier() {}  // the next deadline came nearer; called with no lock held

  mutable std::mutex mutex_;

 private:
  friend class Timer;
  using Queue = std::multimap<GuestNs, Timer*>;
  void arm(Timer& timer, GuestNs deadline);
  void cancel(Timer& timer);
  void forget(Timer& timer);

  Queue queue_;
  Timer* running_ = nullptr;
  bool busy_ = false;  // in run_due()
  std::thread::id running_on_;
  std::condition_variable finished_;
};

// A callback at a point of guest time, with that point as argument. A callback may come once after cancel(),
// when it had begun already: it takes its device's lock and looks at the device's state. The destructor waits
// for it to end.
class Timer {
 public:
  Timer(Clock& clock, std::function<void(GuestNs)> callback)
      : clock_(clock), callback_(std::move(callback)) {}
  ~Timer() { clock_.forget(*this); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void arm(GuestNs deadline) { clock_.arm(*this, deadline); }
  void cancel() { clock_.cancel(*this); }

 private:
  friend class Clock;
  Clock& clock_;
  std::function<void(GuestNs)> callback_;
  bool armed_ = false;
  Clock::Queue::iterator place_{};
};

// The host's time. One thread runs the timers; pause() while no vCPU runs, so that guest time stands still.
// Its TSC is the host's until the first pause.
class HostClock final : public Clock {
 public:
  HostClock();
  ~HostClock() override;
  GuestNs now() const override;
  u64 tsc() const override;
  u64 tsc_hz() const override { return tsc_hz_; }
  std::optional<u64> host_tsc_offset() const override;
  void resume();
  void pause();
  // Time and TSC go on from here; only while paused.
  void set(GuestNs now, u64 tsc);

 protected:
  void deadline_earlier() override;

 private:
  void timer_thread();

  u64 tsc_hz_;
  // Guest = host + offset while running; the frozen values while paused.
  std::atomic<bool> going_ = false;
  std::atomic<i64> ns_offset_ = 0, frozen_ns_ = 0;
  std::atomic<u64> tsc_offset_ = 0, frozen_tsc_ = 0;
  // Stays false until the first pause: an engine that can't shift the TSC can run as well.
  std::atomic<bool> shifted_ = false;
  std::condition_variable wake_;
  bool stop_ = false;
  u64 changes_ = 0;  // of the nearest deadline or of going_; with mutex_
  std::thread thread_;
};

// Time counted from retired instructions: one nanosecond and one TSC tick each. For one vCPU.
class CountedClock final : public Clock {
 public:
  // retired: instructions of the vCPU so far; earlier: makes its run() return, for a shorter budget.
  void connect(std::function<u64()> retired, std::function<void()> earlier);
  GuestNs now() const override;
  u64 tsc() const override { return static_cast<u64>(raw(now())); }
  u64 tsc_hz() const override { return kSecond; }
  void run_timers() { run_due(); }
  // The vCPU has halted: goes on to the next deadline. False: there is none.
  bool skip_to_deadline();
  void set(GuestNs now);

 protected:
  void deadline_earlier() override;

 private:
  std::function<u64()> retired_;
  std::function<void()> earlier_;
  std::atomic<i64> skipped_ = 0;
};

// For tests: stands still until told.
class ManualClock final : public Clock {
 public:
  GuestNs now() const override { return GuestNs{now_.load()}; }
  u64 tsc() const override { return static_cast<u64>(now_.load()); }
  u64 tsc_hz() const override { return kSecond; }
  // Timers on the way run at their exact times.
  void advance(i64 ns);
  // They all run at the end, as on a host that was too busy.
  void jump(i64 ns);

 private:
  std::atomic<i64> now_ = 0;
};

}  // namespace tandem::time
