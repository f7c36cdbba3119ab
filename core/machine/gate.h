// Gate: where vCPU threads wait between two instructions while somebody needs them to stand still.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "core/base/types.h"

namespace tandem::machine {

class Gate {
 public:
  // [vcpu-thread] A thread begins and ends its time inside. It waits while the gate is shut, or `stays` is
  // set, unless all are to go (release()).
  void enter(const std::atomic<bool>& stays);
  void leave();
  // Between two instructions: the same as leave() and enter().
  void pass(const std::atomic<bool>& stays) {
    if (shut_.load(std::memory_order_acquire) || stays.load(std::memory_order_relaxed)) [[unlikely]] {
      leave();
      enter(stays);
    }
  }

  // Shuts the gate once more, and returns when nobody is inside; `kick` makes those who are come out.
  void shut(const std::function<void()>& kick);  // not from a vCPU's thread
  void shut_from_inside();                       // [vcpu-thread] the caller comes out by pass()
  // Takes back one shut(); before the last one, opening() is called.
  void open(const std::function<void()>& opening);
  bool is_shut() const { return shut_.load() != 0; }
  // Lets everybody through, shut or not, or no longer.
  void release(bool all);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<u32> shut_ = 0;  // changed with mutex_
  u32 inside_ = 0;             // with mutex_, as what follows
  bool released_ = false;
};

}  // namespace tandem::machine
