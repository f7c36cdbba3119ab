// Figures: how fast a guest runs now, and which tier does how much of it.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "tools/tandem/control/verbs.h"

namespace tandem::tools {

class Figures {
 public:
  using Clock = std::chrono::steady_clock;
  // stats: what the verb of this name says. The figures are since the last call.
  void update(const Json& stats, Clock::time_point now);
  double million_per_second() const { return million_per_second_; }
  const std::vector<std::pair<std::string, double>>& shares() const { return shares_; }

 private:
  u64 retired_ = 0, translated_ = 0;
  Clock::time_point at_;
  double million_per_second_ = 0;
  std::vector<std::pair<std::string, double>> shares_;
};

}  // namespace tandem::tools
