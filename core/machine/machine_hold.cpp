// Standing still: for anybody, for a debugger, and to go on with another engine.
#include "core/machine/machine.h"

namespace tandem::machine {

void Machine::Cpu::kick() {
  std::lock_guard lock(vcpu_mutex);
  vcpu->kick();
}

void Machine::Cpu::wake_up() {
  if (wake.exchange(1) == 0) wake.notify_one();
}

void Machine::Cpu::signal(cpu::Signal signal, u8 sipi_vector) {
  std::lock_guard lock(vcpu_mutex);
  if (leaving) late.hold(signal, sipi_vector);
  else vcpu->signal(signal, sipi_vector);
}

void Machine::Cpu::leave() {
  std::lock_guard lock(vcpu_mutex);
  leaving = true;
}

void Machine::Cpu::go_on(std::unique_ptr<cpu::Vcpu> next) {
  std::lock_guard lock(vcpu_mutex);
  if (next) vcpu = std::move(next);
  leaving = false;
  late.pass_on(*vcpu);
}

void Machine::hold(Hold::Time time) {
  gate_.shut([this] {
    for (const auto& c : cpus_) {
      c->kick();
      c->wake_up();
    }
  });
  if (host_clock_ && time == Hold::Time::Stops) host_clock_->pause();
}

void Machine::let_go() {
  gate_.open([this] {
    if (running_) resume_clock();
  });
}

void Machine::resume_clock() {
  if (host_clock_) host_clock_->resume();
}

// The hold that the debugger takes over begins here.
void Machine::tell_debugger(u32 index, const cpu::DebugHit& hit) {
  if (!debugger_) return;
  gate_.shut_from_inside();
  debugger_->stopped(index, hit);
}

Result<void> Machine::set_debug_points(std::shared_ptr<const cpu::DebugPoints> points) {
  for (const auto& c : cpus_) TANDEM_TRY(c->vcpu->set_debug_points(points));
  debug_points_ = std::move(points);
  return {};
}

void Machine::set_motion(u32 index, Motion motion) {
  Cpu& c = *cpus_[index];
  c.steps = motion == Motion::Step;
  c.stays = motion == Motion::Stay;
}

Result<void> Machine::switch_engine(cpu::Engine& engine) {
  const Hold hold(*this, Hold::Time::GoesOn);
  const std::lock_guard lock(state_mutex_);
  if (engine.caps().name == engine_name_) return {};
  std::vector<cpu::CpuState> states(vcpu_count());
  auto next = copy_vcpus(engine, states);
  for (u32 i = 0; i < vcpu_count(); ++i) {
    if (next) replace_vcpu(*cpus_[i], std::move(next.value()[i]));
    else cpus_[i]->go_on(nullptr);
  }
  if (!next) return next.error();
  for (u32 i = 0; const cpu::CpuState& s : states)
    note(trace::Point::engine, i++, s.cr0, s.efer, s.segments[cpu::kCs].selector, s.rip);
  engine_name_ = engine.caps().name;
  return {};
}

// Signals that came lately are bits beside the state: a run of no instruction takes them into it. Those that
// come from then on are kept: nobody runs, but timers, devices and the user still send them.
Result<std::vector<std::unique_ptr<cpu::Vcpu>>> Machine::copy_vcpus(cpu::Engine& engine,
                                                                    std::vector<cpu::CpuState>& states) {
  std::vector<std::unique_ptr<cpu::Vcpu>> copies;
  for (u32 i = 0; i < vcpu_count(); ++i) {
    TANDEM_TRY_ASSIGN(vcpu, engine.make_vcpu(VcpuId{i}, *memory_, model_));
    cpus_[i]->leave();
    cpus_[i]->kick();
    cpus_[i]->vcpu->run({}, *this);
    TANDEM_TRY(export_cpu(i, states[i]));
    TANDEM_TRY(vcpu->import_state(states[i]));
    if (debug_points_) TANDEM_TRY(vcpu->set_debug_points(debug_points_));
    copies.push_back(std::move(vcpu));
  }
  return copies;
}

void Machine::replace_vcpu(Cpu& c, std::unique_ptr<cpu::Vcpu> next) {
  c.vcpu->statistics([&](std::string_view name, u64 value) { past_statistics_[std::string(name)] += value; });
  c.retired_before = c.retired();
  c.go_on(std::move(next));
}

}  // namespace tandem::machine
