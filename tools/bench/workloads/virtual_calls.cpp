// 1024 virtual calls on objects of four classes in no order.
#include <memory>
#include <vector>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

class Step {
 public:
  virtual ~Step() = default;
  virtual u64 apply(u64 value) const = 0;
};

template <u64 kMultiplier>
class StepBy final : public Step {
 public:
  u64 apply(u64 value) const override { return value * kMultiplier + 1; }
};

std::unique_ptr<Step> step_of(u64 kind) {
  switch (kind) {
    case 0: return std::make_unique<StepBy<3>>();
    case 1: return std::make_unique<StepBy<5>>();
    case 2: return std::make_unique<StepBy<7>>();
    default: return std::make_unique<StepBy<9>>();
  }
}

class VirtualCalls {
 public:
  VirtualCalls() {
    Random random;
    for (int i = 0; i < 1024; ++i) steps_.push_back(step_of(random.below(4)));
  }
  void once() {
    u64 value = 0;
    for (const auto& step : steps_) value = step->apply(value);
    value_ = value;
  }
  u64 checksum() const { return value_; }

 private:
  std::vector<std::unique_ptr<Step>> steps_;
  u64 value_ = 0;
};

}  // namespace

Workload virtual_calls() { return make_workload<VirtualCalls>("virtual-calls", "control"); }

}  // namespace tandem::bench
