// Target: a machine as a debugger has it, either standing still or running.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "core/machine/machine.h"

namespace tandem::debug {

struct DebugStop {
  u32 vcpu = 0;
  cpu::DebugHit hit;
};

// All of it belongs to one thread, but for stopped(). It holds the machine while it stands still.
class Target final : public machine::DebugListener {
 public:
  // wake: called when take_stop() has something. [vcpu-thread]
  Target(machine::Machine& machine, std::function<void()> wake) : machine_(machine), wake_(std::move(wake)) {}
  ~Target() { detach(); }

  void attach();  // stops it
  // Without a trace: no points, all vCPUs run.
  void detach();
  bool is_attached() const { return attached_; }
  bool is_still() const { return hold_.has_value(); }

  u32 vcpu_count() const { return machine_.vcpu_count(); }
  machine::Machine& machine() { return machine_; }
  cpu::CpuState state(u32 vcpu);
  void set_state(u32 vcpu, const cpu::CpuState& state);
  // Everything below an lock over the state: for what reads more than one thing.
  template <class F>
  auto look(F f) {
    return machine_.while_held(std::move(f));
  }

  // Goes on, each vCPU as told, with these points. Error: the engine has none.
  Result<void> resume(const std::vector<machine::Motion>& motions, const cpu::DebugPoints& points);
  void interrupt();  // stops it
  // What has stopped, since resume(); then it stands still.
  std::optional<DebugStop> take_stop();

  void stopped(u32 vcpu, const cpu::DebugHit& hit) override;

 private:
  void stand_still();
  void forget_breakpoints();

  machine::Machine& machine_;
  std::function<void()> wake_;
  bool attached_ = false;
  std::optional<machine::Machine::Hold> hold_;
  cpu::DebugPoints points_;  // that the vCPUs have
  std::deque<DebugStop> untold_;
  std::mutex mutex_;
  std::vector<DebugStop> stops_;  // with mutex_; a hold comes with each
};

}  // namespace tandem::debug
