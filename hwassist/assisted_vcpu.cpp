#include "hwassist/assisted_vcpu.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace tandem::hwassist {

using cpu::Signal;
using cpu::Stop;
using cpu::StopReason;

namespace {

// After KVM has failed at an instruction: so many more in software. So many failures, and the mode is the
// software engine's.
constexpr u64 kAfterFailure = 1'000;
constexpr unsigned kMaxFailures = 64;
// Where KVM can't take the mode that runs: how often to look again.
constexpr u64 kElsewhere = 50'000;

i64 now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

constexpr u64 kDr7Enabled = 0xff;
constexpr u64 kUncounted = cpu::RunBudget{}.instructions;

Stop ended(StopReason why) { return {.why = why, .retired = 0}; }

}  // namespace

AssistedVcpu::AssistedVcpu(VcpuId id, std::shared_ptr<kvm::Vm> vm, std::unique_ptr<kvm::KvmVcpu> kvm,
                           std::unique_ptr<cpu::Vcpu> software, const Verdict& verdict)
    : id_(id),
      vm_(std::move(vm)),
      kvm_(std::move(kvm)),
      software_(std::move(software)),
      assist_(verdict.assist),
      usable_(verdict.usable) {}

void AssistedVcpu::kick() noexcept {
  kicked_ = true;
  software_->kick();
  kvm_->kick();
}

// Interrupts are asked for anew by whoever runs; the others are handed to the software engine, which takes
// the state for them.
void AssistedVcpu::signal(Signal s, u8 sipi_vector) noexcept {
  if (s == Signal::Interrupt) {
    software_->signal(s);
  } else {
    signals_.hold(s, sipi_vector);
    software_->kick();
  }
  kvm_->kick();
}

Result<void> AssistedVcpu::export_state(cpu::CpuState& out) {
  if (in_kvm_ && !back_to_software()) return host_error("/dev/kvm: the state of a vCPU can't be read");
  signals_.pass_on(*software_);
  return software_->export_state(out);
}

Result<void> AssistedVcpu::import_state(const cpu::CpuState& in) {
  in_kvm_ = false;
  signals_.forget();
  return software_->import_state(in);
}

// A debugger's steps are the software engine's, and so are points that KVM can't have, and runs of a number
// of instructions: it counts none.
Stop AssistedVcpu::run(const cpu::RunBudget& budget, cpu::ExitSink& sink) {
  const u64 before = software_->retired();
  const bool counted = budget.instructions != kUncounted;
  std::optional<Stop> stop;
  if (assist_ == Assist::Full) vm_->take_doorbells(sink);
  if (new_points_ && !give_points()) stop = ended(StopReason::HostError);
  while (!stop) {
    cpu::RunBudget left = budget;
    if (counted) left.instructions -= software_->retired() - before;
    if (kicked_.exchange(false)) stop = ended(StopReason::Kicked);
    else if (counted || budget.step || (debugged_ && !kvm_points_)) stop = run_watched(left, sink);
    else stop = in_kvm_ ? run_kvm(sink) : run_software(sink);
  }
  vm_->deliver_doorbells();
  stop->retired = software_->retired() - before;
  return *stop;
}

Result<void> AssistedVcpu::set_debug_points(std::shared_ptr<const cpu::DebugPoints> points) {
  new_points_ = points ? points : std::make_shared<const cpu::DebugPoints>();
  debugged_ = !(*new_points_ == cpu::DebugPoints{});
  return software_->set_debug_points(std::move(points));
}

// KVM takes the guest's own debug registers away meanwhile: who has the state is asked anew.
bool AssistedVcpu::give_points() {
  if (in_kvm_ && !back_to_software()) return false;
  kvm_points_ = assist_ == Assist::Full ? kvm::to_guest_debug(*new_points_) : std::nullopt;
  new_points_.reset();
  if (kvm_points_ && !kvm_->set_debug(*kvm_points_)) kvm_points_.reset();
  return true;
}

std::optional<Stop> AssistedVcpu::run_watched(const cpu::RunBudget& budget, cpu::ExitSink& sink) {
  if (in_kvm_ && !back_to_software()) return ended(StopReason::HostError);
  signals_.pass_on(*software_);
  const Stop stop = software_->run(budget, sink);
  if (stop.why == StopReason::Kicked) return {};  // run() knows whether it is meant
  return stop;
}

std::optional<Stop> AssistedVcpu::run_software(cpu::ExitSink& sink) {
  const u64 cooling = std::exchange(cooling_, 0);
  if (assist_ == Assist::Full && !cooling && wants_kvm() && to_kvm(sink)) return {};
  signals_.pass_on(*software_);
  const u64 slice = assist_ == Assist::User ? user_policy_.slice() : cooling ? cooling : kElsewhere;
  const Stop stop = software_->run({slice}, sink);
  if (stop.why == StopReason::Kicked) return {};
  if (stop.why != StopReason::BudgetSpent) return stop;
  if (assist_ == Assist::User && wants_kvm()) to_kvm(sink);
  return {};
}

bool AssistedVcpu::wants_kvm() {
  if (assist_ == Assist::None || !software_->export_state(state_)) return false;
  if (debugged_ && (state_.dr[7] & kDr7Enabled)) return false;  // see give_points()
  if (assist_ == Assist::Full) return usable_[static_cast<unsigned>(mode_of(state_))];
  return user_policy_.go(fits_user_scope(state_), state_.cr3);
}

bool AssistedVcpu::events_wait(cpu::ExitSink& sink) const {
  const cpu::PendingEvents& e = state_.events;
  return kicked_ || signals_.any() || e.nmi_pending || e.smi_pending || e.init_pending || e.startup_pending ||
         e.debug_traps || e.interrupt_accepted || (assist_ == Assist::User && sink.interrupt_pending(id_));
}

bool AssistedVcpu::to_kvm(cpu::ExitSink& sink) {
  const i64 start = now_ns();
  kvm_->clear_kick();
  const bool user = assist_ == Assist::User;
  if (events_wait(sink)) return false;
  if (user && forgotten_at_ != software_->mapping_changes()) {
    forgotten_at_ = software_->mapping_changes();
    ++forgets_;
    vm_->forget_mappings();
  }
  if (!kvm_->import_state(state_, sink, user ? kvm::Scope::User : kvm::Scope::Whole)) {
    count_failure("import");
    return false;
  }
  in_kvm_ = true;
  ++entries_;
  overhead_ns_ = now_ns() - start;
  return true;
}

// User code changes no mapping.
bool AssistedVcpu::back_to_software() {
  in_kvm_ = false;
  if (!kvm_->export_state(state_)) return false;
  return (assist_ == Assist::User ? software_->import_registers(state_) : software_->import_state(state_))
      .ok();
}

std::optional<Stop> AssistedVcpu::run_kvm(cpu::ExitSink& sink) {
  using Why = kvm::Ended::Why;
  const i64 start = now_ns();
  const kvm::Ended exit = kvm_->run(sink);
  const i64 end = now_ns();
  kvm_ns_ += static_cast<u64>(end - start);
  if (const auto counter = exits_.find(exit.name); counter != exits_.end()) ++counter->second;
  else exits_.emplace(exit.name, 1);
  if (exit.name == "memory_fault") vm_->release_pages();
  if (exit.why == Why::Failed) return ended(StopReason::HostError);
  if (assist_ == Assist::User) {
    const bool good = back_to_software();
    user_policy_.came_back(state_.cr3, end - start, overhead_ns_ + now_ns() - end);
    return good ? std::nullopt : std::optional(ended(StopReason::HostError));
  }
  switch (exit.why) {
    case Why::Halted: return signals_.any() ? std::nullopt : std::optional(ended(StopReason::Halted));
    case Why::TripleFault: return ended(StopReason::TripleFault);
    case Why::Kicked:
      if (!signals_.any()) return {};
      break;
    default: break;
  }
  if (debugged_ && exit.name == "debug") return stop_for_debugger();
  if (!back_to_software()) return ended(StopReason::HostError);
  if (exit.why != Why::Software) return {};
  count_failure(exit.name);
  cooling_ = kAfterFailure;
  return {};
}

// While a debugger has points, KVM ends for the steps that the guest makes itself, too.
std::optional<Stop> AssistedVcpu::stop_for_debugger() {
  const kvm_debug_exit_arch exit = kvm_->debug_exit();
  in_kvm_ = false;
  if (!kvm_->export_state(state_)) return ended(StopReason::HostError);
  state_.events.debug_traps |= exit.dr6 & kvm::kDr6Bs;
  if (!software_->import_state(state_)) return ended(StopReason::HostError);
  const auto hit = kvm::debug_hit(exit, *kvm_points_);
  if (!hit) return {};
  return Stop{StopReason::DebugTrap, 0, *hit};
}

// Pages that hold translated code are no failure of KVM's.
void AssistedVcpu::count_failure(std::string_view exit) {
  if (exit == "memory_fault" || exit == "rdmsr" || exit == "wrmsr") return;
  const auto mode = static_cast<unsigned>(mode_of(state_));
  if (++failures_[mode] >= kMaxFailures) usable_[mode] = false;
}

void AssistedVcpu::statistics(const Report& report) const {
  software_->statistics(report);
  report("kvm.entries", entries_);
  report("kvm.ns", kvm_ns_);
  report("kvm.mappings_forgotten", forgets_);
  for (const auto& [name, count] : exits_) report("kvm.exit." + name, count);
  for (unsigned i = 0; i < kCodeModes; ++i)
    if (failures_[i]) report(fmt::format("kvm.failures.{}", kCodeModeNames[i]), failures_[i]);
}

}  // namespace tandem::hwassist
