// Counters of one machine, by name: "bus.unclaimed", "pic.spurious". For --stats and tests.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "core/base/types.h"

namespace tandem::machine {

class Counters {
 public:
  using Counter = std::atomic<u64>;
  // Made on first use; the reference stays valid. [any-thread]
  Counter& get(std::string_view name) {
    std::lock_guard lock(mutex_);
    return counters_.try_emplace(std::string(name), 0).first->second;
  }
  std::map<std::string, u64> values() const {
    std::lock_guard lock(mutex_);
    std::map<std::string, u64> all;
    for (const auto& [name, value] : counters_) all[name] = value.load(std::memory_order_relaxed);
    return all;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Counter> counters_;
};

}  // namespace tandem::machine
