#include "core/debug/target.h"

namespace tandem::debug {

using machine::Motion;

void Target::attach() {
  if (attached_) return;
  attached_ = true;
  hold_.emplace(machine_);
  machine_.while_held([&] { machine_.set_debugger(this); });
}

void Target::detach() {
  if (!attached_) return;
  stand_still();
  machine_.while_held([&] {
    machine_.set_debugger(nullptr);
    if (!(points_ == cpu::DebugPoints{})) (void)machine_.set_debug_points(nullptr);
    for (u32 i = 0; i < vcpu_count(); ++i) machine_.set_motion(i, Motion::Run);
  });
  points_ = {};
  untold_.clear();
  attached_ = false;
  hold_.reset();
}

cpu::CpuState Target::state(u32 vcpu) {
  cpu::CpuState state;
  machine_.while_held([&] { (void)machine_.export_cpu(vcpu, state); });
  return state;
}

void Target::set_state(u32 vcpu, const cpu::CpuState& state) {
  machine_.while_held([&] {
    machine_.lapic(vcpu).write_cr8(static_cast<u8>(state.lapic.tpr >> 4));
    (void)machine_.vcpu(vcpu).import_state(state);
  });
}

Result<void> Target::resume(const std::vector<Motion>& motions, const cpu::DebugPoints& points) {
  if (!untold_.empty()) return wake_(), Result<void>();
  bool steps_alone = true;
  for (const Motion m : motions) steps_alone &= m != Motion::Run;
  TANDEM_TRY(machine_.while_held([&]() -> Result<void> {
    // A step looks at no breakpoint, and debuggers step over one with all taken out: no need to forget code.
    const bool may_wait = steps_alone && points_.watchpoints == points.watchpoints;
    if (!may_wait && !(points == points_)) {
      TANDEM_TRY(machine_.set_debug_points(std::make_shared<const cpu::DebugPoints>(points)));
      points_ = points;
    }
    for (u32 i = 0; i < vcpu_count(); ++i) machine_.set_motion(i, motions[i]);
    return {};
  }));
  hold_.reset();
  return {};
}

void Target::stopped(u32 vcpu, const cpu::DebugHit& hit) {
  {
    std::lock_guard lock(mutex_);
    stops_.push_back({vcpu, hit});
  }
  wake_();
}

// Takes over the holds that came with stops. A breakpoint that is not told is come upon again.
void Target::stand_still() {
  if (!hold_) hold_.emplace(machine_);
  std::vector<DebugStop> stops;
  {
    std::lock_guard lock(mutex_);
    stops.swap(stops_);
  }
  for (const DebugStop& stop : stops) {
    untold_.push_back(stop);
    machine_.end_debug_stop();
  }
}

void Target::interrupt() {
  stand_still();
  forget_breakpoints();
}

void Target::forget_breakpoints() {
  std::erase_if(untold_, [](const DebugStop& s) { return s.hit.kind != cpu::DebugHit::Kind::Watchpoint; });
}

std::optional<DebugStop> Target::take_stop() {
  {
    std::lock_guard lock(mutex_);
    if (stops_.empty() && untold_.empty()) return std::nullopt;
  }
  stand_still();
  const DebugStop first = untold_.front();
  untold_.pop_front();
  forget_breakpoints();
  return first;
}

}  // namespace tandem::debug
