#include "hwassist/probe/watchdog.h"

#include <pthread.h>

namespace tandem::hwassist::probe {

using namespace std::chrono_literals;

ThreadTime::ThreadTime() { pthread_getcpuclockid(pthread_self(), &clock_); }

std::chrono::nanoseconds ThreadTime::now() const {
  timespec t{};
  clock_gettime(clock_, &t);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

Watchdog::Watchdog(kvm::KvmVcpu& vcpu) : vcpu_(vcpu), thread_([this] { watch(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::try_begins() {
  const std::lock_guard lock(mutex_);
  vcpu_.clear_kick();
  began_ = time_.now();
  rounds_ = 0;
}

void Watchdog::try_ends() {
  const std::lock_guard lock(mutex_);
  began_.reset();
}

// Looks now and then, rather than be woken for each try.
void Watchdog::watch() {
  constexpr auto kPatience = 10ms;
  constexpr int kRounds = 50;  // a thread that sleeps in the kernel has no time of its own
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kPatience, [this] { return over_; }))
    if (began_ && (time_.now() >= *began_ + kPatience || ++rounds_ >= kRounds)) vcpu_.kick();
}

}  // namespace tandem::hwassist::probe
