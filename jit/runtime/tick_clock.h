// Time of what is timed often: the host's TSC, which costs less to read than its clock does.
#pragma once

#include <x86intrin.h>

#include <chrono>

#include "core/base/types.h"

namespace tandem::jit {

class TickClock {
 public:
  u64 now() const { return __rdtsc(); }
  // How long these ticks took, by the rate since it was made.
  u64 ns(u64 ticks) const {
    const auto passed = std::chrono::duration<double, std::nano>(Steady::now() - start_).count();
    const u64 passed_ticks = now() - start_ticks_;
    return passed_ticks
               ? static_cast<u64>(static_cast<double>(ticks) * passed / static_cast<double>(passed_ticks))
               : 0;
  }

 private:
  using Steady = std::chrono::steady_clock;
  Steady::time_point start_ = Steady::now();
  u64 start_ticks_ = __rdtsc();
};

}  // namespace tandem::jit
