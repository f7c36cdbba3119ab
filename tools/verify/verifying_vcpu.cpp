#include "tools/verify/verifying_vcpu.h"

#include <chrono>
#include <thread>

#include "tools/verify/sinks.h"

namespace tandem::verify {

using cpu::Stop;
using cpu::StopReason;

namespace {

constexpr unsigned kLongest = 64;  // instructions of a sample

}  // namespace

VerifyingVcpu::VerifyingVcpu(VcpuId id, std::shared_ptr<Common> common, mem::GuestMemory& memory,
                             const cpu::CpuModel& model, std::unique_ptr<cpu::Vcpu> subject,
                             Sampling sampling)
    : id_(id),
      common_(std::move(common)),
      memory_(memory),
      subject_(std::move(subject)),
      sampling_(std::move(sampling)),
      explorer_(*sampling_.view, model),
      random_(common_->options.seed + raw(id)),
      until_sample_(next_gap()) {
  common_->turns.add(this, [this] { subject_->kick(); });
}

VerifyingVcpu::~VerifyingVcpu() { common_->turns.remove(this); }

void VerifyingVcpu::kick() noexcept {
  kicked_ = true;
  subject_->kick();
}

// Not in the middle of a sample. Interrupts are asked for anew by each run.
void VerifyingVcpu::signal(cpu::Signal s, u8 sipi_vector) noexcept {
  if (s == cpu::Signal::Interrupt) return subject_->signal(s, sipi_vector);
  signals_.hold(s, sipi_vector);
  subject_->kick();
}

Result<void> VerifyingVcpu::export_state(cpu::CpuState& out) {
  signals_.pass_on(*subject_);
  return subject_->export_state(out);
}

Result<void> VerifyingVcpu::import_state(const cpu::CpuState& in) {
  signals_.forget();
  return subject_->import_state(in);
}

Result<void> VerifyingVcpu::import_registers(const cpu::CpuState& in) {
  signals_.forget();
  return subject_->import_registers(in);
}

Result<void> VerifyingVcpu::set_debug_points(std::shared_ptr<const cpu::DebugPoints> points) {
  debugged_ = points && !(*points == cpu::DebugPoints{});
  return subject_->set_debug_points(std::move(points));
}

void VerifyingVcpu::statistics(const Report& report) const {
  subject_->statistics(report);
  report("verify.samples", figures_.samples);
  report("verify.empty", figures_.empty);
  report("verify.disturbed", figures_.disturbed);
  for (const auto& [name, instructions] : by_stepper_) report("verify.instructions." + name, instructions);
}

// So that of `one_in` instructions one is in a sample, whose length is any up to kLongest.
u64 VerifyingVcpu::next_gap() {
  const u64 most = (common_->options.one_in - 1) * (kLongest + 1);
  return most ? std::uniform_int_distribution<u64>(0, most)(random_) : 0;
}

Stop VerifyingVcpu::run(const cpu::RunBudget& budget, cpu::ExitSink& sink) {
  const u64 before = subject_->retired();
  common_->turns.enter();
  Stop stop{StopReason::BudgetSpent, 0};
  if (budget.step || debugged_) {
    signals_.pass_on(*subject_);
    stop = subject_->run(budget, sink);
  } else {
    std::optional<StopReason> why;
    while (!why) {
      common_->turns.pass();
      const u64 left = budget.instructions - std::min(budget.instructions, subject_->retired() - before);
      if (kicked_.exchange(false)) why = StopReason::Kicked;
      else if (left == 0) why = StopReason::BudgetSpent;
      else why = go_on(left, sink);
    }
    stop.why = *why;
  }
  common_->turns.leave();
  stop.retired = subject_->retired() - before;
  return stop;
}

std::optional<StopReason> VerifyingVcpu::go_on(u64 left, cpu::ExitSink& sink) {
  signals_.pass_on(*subject_);
  if (until_sample_ == 0) {
    until_sample_ = next_gap();
    const u64 before = subject_->retired();
    if (!sample(left, sink)) return StopReason::HostError;
    if (subject_->retired() != before) return {};
  }
  const Stop stop = subject_->run({.instructions = std::min(left, std::max<u64>(until_sample_, 1))}, sink);
  until_sample_ -= std::min(until_sample_, stop.retired);
  // Whether a kick is meant for us, run() knows.
  if (stop.why == StopReason::BudgetSpent || stop.why == StopReason::Kicked) return {};
  return stop.why;
}

// False: there is a difference.
bool VerifyingVcpu::sample(u64 left, cpu::ExitSink& sink) {
  if (common_->turns.count() == 1) return sample_standing(left, sink, true);
  return common_->turns.alone(this, [&] { return sample_standing(left, sink, false); });
}

// Nobody else runs.
bool VerifyingVcpu::sample_standing(u64 left, cpu::ExitSink& sink, bool alone) {
  Finding f{
      .vcpu = id_, .number = figures_.samples + 1, .seed = common_->options.seed, .engine = common_->name};
  if (!subject_->export_state(f.start)) return false;
  Stepper* stepper = nullptr;
  for (const auto& s : sampling_.steppers)
    if (!stepper && s->takes(f.start)) stepper = s.get();
  if (!stepper) return true;
  memory_.watch_writes();
  const unsigned length = std::uniform_int_distribution<unsigned>(1, kLongest)(random_);
  View& view = *sampling_.view;
  view.keep({});
  f.excursion =
      explorer_.explore(*stepper, f.start, sink, static_cast<unsigned>(std::min<u64>(left, length)), alone);
  if (f.excursion.done == 0) return ++figures_.empty, true;
  ++figures_.samples;
  by_stepper_[std::string(stepper->name())] += f.excursion.done;
  f.written = view.written();
  view.keep(f.written);
  f.sample = execute(f.excursion.done, sink);
  f.comparison = compare(f.excursion, f.written, f.start, f.sample.end, memory_);
  if (!f.is_one()) return true;
  f.excursion.undefined |= explorer_.dead_flags(f.excursion.end);
  f.comparison = compare(f.excursion, f.written, f.start, f.sample.end, memory_);
  if (!f.is_one() || disturbed()) return true;
  common_->report(describe(f, {*stepper, explorer_, view, *sampling_.again, sink, alone}));
  return false;
}

// As the vCPU would go on anyway.
Sample VerifyingVcpu::execute(u64 instructions, cpu::ExitSink& machine) {
  NoInterrupts sink(machine);
  Sample sample;
  while (sample.done < instructions) {
    const Stop stop = subject_->run({.instructions = instructions - sample.done}, sink);
    sample.done += stop.retired;
    sample.why = stop.why;
    if (stop.why != StopReason::Kicked && stop.why != StopReason::BudgetSpent) break;
  }
  sample.asked = sink.asked();
  if (!subject_->export_state(sample.end)) sample.why = StopReason::HostError;
  return sample;
}

// Has a device written to memory meanwhile? It says so behind the write.
bool VerifyingVcpu::disturbed() {
  constexpr auto kSoon = std::chrono::milliseconds(20);
  std::this_thread::sleep_for(kSoon);
  if (memory_.watched_writes() == 0) return false;
  return ++figures_.disturbed, true;
}

}  // namespace tandem::verify
