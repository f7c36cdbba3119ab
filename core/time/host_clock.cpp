#include <time.h>
#include <x86intrin.h>

#include <chrono>

#include "core/time/clock.h"

namespace tandem::time {

namespace {

i64 host_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

// The host's TSC frequency, within some parts per million.
u64 measure_tsc_hz() {
  const i64 start = host_ns();
  const u64 start_tsc = __rdtsc();
  while (host_ns() - start < 10 * kMillisecond) _mm_pause();
  const u64 ticks = __rdtsc() - start_tsc;
  return static_cast<u64>(static_cast<u128>(ticks) * kSecond / static_cast<u64>(host_ns() - start));
}

}  // namespace

HostClock::HostClock() : tsc_hz_(measure_tsc_hz()), thread_([this] { timer_thread(); }) {}

HostClock::~HostClock() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

GuestNs HostClock::now() const {
  if (!going_.load(std::memory_order_acquire)) return GuestNs{frozen_ns_.load()};
  return GuestNs{host_ns() + ns_offset_.load(std::memory_order_relaxed)};
}

u64 HostClock::tsc() const {
  if (!going_.load(std::memory_order_acquire) && shifted_) return frozen_tsc_.load();
  return __rdtsc() + tsc_offset_.load(std::memory_order_relaxed);
}

std::optional<u64> HostClock::host_tsc_offset() const {
  if (!going_.load(std::memory_order_acquire)) return {};
  return tsc_offset_.load(std::memory_order_relaxed);
}

void HostClock::resume() {
  {
    std::lock_guard lock(mutex_);
    if (going_) return;
    ns_offset_ = frozen_ns_ - host_ns();
    tsc_offset_ = shifted_ ? frozen_tsc_ - __rdtsc() : 0;
    going_.store(true, std::memory_order_release);
    ++changes_;
  }
  wake_.notify_all();
}

void HostClock::pause() {
  {
    std::lock_guard lock(mutex_);
    if (!going_) return;
    frozen_ns_ = host_ns() + ns_offset_;
    frozen_tsc_ = __rdtsc() + tsc_offset_;
    shifted_ = true;
    going_.store(false, std::memory_order_release);
  }
  wait_idle();
}

void HostClock::set(GuestNs now, u64 tsc) {
  std::lock_guard lock(mutex_);
  frozen_ns_ = raw(now);
  frozen_tsc_ = tsc;
  shifted_ = true;
}

void HostClock::deadline_earlier() {
  {
    std::lock_guard lock(mutex_);
    ++changes_;
  }
  wake_.notify_all();
}

void HostClock::timer_thread() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (!going_) {
      wake_.wait(lock);
      continue;
    }
    const u64 changes = changes_;
    lock.unlock();
    run_due();
    const std::optional<GuestNs> next = next_deadline();
    lock.lock();
    if (stop_ || changes != changes_) continue;
    if (!next) {
      wake_.wait(lock);
      continue;
    }
    const i64 host_deadline = raw(*next) - ns_offset_;
    wake_.wait_until(lock, std::chrono::steady_clock::time_point(std::chrono::nanoseconds(host_deadline)));
  }
}

}  // namespace tandem::time
