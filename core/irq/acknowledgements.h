// News that a vCPU has taken an interrupt, for devices that have another waiting behind it.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

namespace tandem::irq {

class AckListener {
 public:
  // A vCPU has taken some interrupt, not surely this device's. [vcpu-thread], no lock of interrupts held
  virtual void acknowledged() = 0;

 protected:
  ~AckListener() = default;
};

class Acknowledgements {
 public:
  // As long as there are listeners, each is told of every interrupt. A call may be under way, and waits for
  // locks; so the second must be called with no lock that acknowledged() takes. [any-thread]
  void add(AckListener& listener);
  void remove(AckListener& listener);
  // Nothing is told while nobody wants it. [any-thread]
  void want() { wanted_.fetch_add(1, std::memory_order_relaxed); }
  void want_no_more() { wanted_.fetch_sub(1, std::memory_order_relaxed); }
  void tell() {
    if (wanted_.load(std::memory_order_relaxed)) tell_all();
  }

 private:
  void tell_all();

  std::atomic<unsigned> wanted_ = 0;
  std::mutex mutex_;  // before those of devices
  std::vector<AckListener*> listeners_;
};

}  // namespace tandem::irq
