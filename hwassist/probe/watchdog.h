// Watchdog: ends the tries of a vCPU that does not come back by itself.
#pragma once

#include <chrono>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <optional>
#include <thread>

#include "hwassist/kvm/kvm_vcpu.h"

namespace tandem::hwassist::probe {

// What a thread has had of a processor: a busy host, where it has to wait for one, changes nothing.
class ThreadTime {
 public:
  ThreadTime();  // of this thread
  std::chrono::nanoseconds now() const;

 private:
  clockid_t clock_{};
};

// For the tries of the thread that makes it.
class Watchdog {
 public:
  explicit Watchdog(kvm::KvmVcpu& vcpu);
  ~Watchdog();
  void try_begins();
  void try_ends();  // no kick comes afterwards

 private:
  void watch();

  kvm::KvmVcpu& vcpu_;
  const ThreadTime time_;
  std::mutex mutex_;  // guards the next four
  std::condition_variable changed_;
  std::optional<std::chrono::nanoseconds> began_;  // the present try
  int rounds_ = 0;                                 // that have seen it
  bool over_ = false;
  std::thread thread_;
};

}  // namespace tandem::hwassist::probe
