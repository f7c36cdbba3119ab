#include "core/machine/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/assert.h"

namespace tandem::machine {

Result<std::unique_ptr<Machine>> Machine::create(const MachineConfig& config, cpu::Engine& engine) {
  if (config.vcpus == 0 || config.vcpus > kMaxVcpus)
    return user_error(fmt::format("vcpus: {} is not in 1..{}", config.vcpus, kMaxVcpus));
  if (config.clock == ClockKind::Counted) {
    if (config.vcpus != 1) return user_error("a clock counted from instructions needs vcpus = 1");
    if (!engine.caps().counts_instructions)
      return user_error(fmt::format("engine {} does not count instructions", engine.caps().name));
  }
  TANDEM_TRY_ASSIGN(memory, mem::GuestMemory::create(config.memory_bytes));
  std::unique_ptr<Machine> machine(new Machine(std::move(memory)));
  if (config.clock == ClockKind::Counted) {
    auto clock = std::make_unique<time::CountedClock>();
    machine->counted_clock_ = clock.get();
    machine->clock_ = std::move(clock);
  } else {
    auto clock = std::make_unique<time::HostClock>();
    machine->host_clock_ = clock.get();
    machine->clock_ = std::move(clock);
  }
  TANDEM_TRY(machine->add_cpus(config, engine));
  return machine;
}

Result<void> Machine::add_cpus(const MachineConfig& config, cpu::Engine& engine) {
  ensure(config.model != nullptr, "a machine needs a CPU model");
  model_ = *config.model;
  model_.tsc_hz = clock_->tsc_hz();
  model_.vcpus = config.vcpus;
  engine_name_ = engine.caps().name;
  for (u32 i = 0; i < config.vcpus; ++i) {
    auto made = engine.make_vcpu(VcpuId{i}, *memory_, model_);
    if (!made) return std::move(made.error()).in(fmt::format("vCPU {}", i));
    auto cpu = std::make_unique<Cpu>();
    cpu->vcpu = made.take();
    cpus_.push_back(std::move(cpu));
  }
  for (u32 i = 0; i < config.vcpus; ++i) {
    cpus_[i]->lapic = std::make_unique<irq::Lapic>(VcpuId{i}, *clock_, apic_bus_, *this);
    apic_bus_.attach(*cpus_[i]->lapic);
  }
  if (counted_clock_) {
    Cpu* only = cpus_[0].get();
    counted_clock_->connect([only] { return only->retired(); }, [only] { only->kick(); });
  }
  return {};
}

Machine::~Machine() = default;

Result<void> Machine::reset_cpus(const cpu::CpuState& bsp) {
  for (u32 i = 0; i < vcpu_count(); ++i) {
    Cpu& c = *cpus_[i];
    c.lapic->reset(i == 0);
    c.wake = 0;
    cpu::CpuState state = i == 0 ? bsp : cpu::reset_state(false, i);
    state.activity = i == 0 ? cpu::Activity::Running : cpu::Activity::WaitForSipi;
    state.msr.apic_base = c.lapic->apic_base();
    state.lapic = c.lapic->state();
    TANDEM_TRY(c.vcpu->import_state(state));
    c.vcpu->flush_translations();
  }
  return {};
}

RunOutcome Machine::run() {
  running_ = true;
  if (!gate_.is_shut()) resume_clock();
  for (u32 i = 0; i < vcpu_count(); ++i) cpus_[i]->thread = std::thread([this, i] { run_cpu(i); });
  for (const auto& c : cpus_) c->thread.join();
  running_ = false;
  if (host_clock_) host_clock_->pause();
  return take_outcome().value_or(RunOutcome{});
}

std::optional<RunOutcome> Machine::run_for(u64 instructions) {
  ensure(counted_clock_, "run_for needs the counted clock");
  Cpu& c = *cpus_[0];
  const u64 end = c.retired() + instructions;
  while (!stopping_ && c.retired() < end) {
    cpu::RunBudget budget = budget_to_deadline();
    budget.instructions = std::min(budget.instructions, end - c.retired());
    const cpu::Stop stopped = c.vcpu->run(budget, *this);
    if (stopped.why != cpu::StopReason::Halted) handle_stop(0, stopped);
    else if (!c.wake.exchange(0) && !counted_clock_->skip_to_deadline())
      stop({RunOutcome::Kind::Stopped, 0, "halted, and no timer is armed"});
  }
  return take_outcome();
}

std::optional<RunOutcome> Machine::take_outcome() {
  std::lock_guard lock(outcome_mutex_);
  stopping_ = false;
  gate_.release(false);
  return std::exchange(outcome_, std::nullopt);
}

void Machine::stop(RunOutcome outcome) {
  note(trace::Point::stop, static_cast<u8>(outcome.kind));
  {
    std::lock_guard lock(outcome_mutex_);
    if (!outcome_) outcome_ = std::move(outcome);
    stopping_ = true;
  }
  gate_.release(true);
  for (const auto& c : cpus_) {
    c->kick();
    c->wake_up();
  }
}

void Machine::run_cpu(u32 index) {
  Cpu& c = *cpus_[index];
  gate_.enter(c.stays);
  while (!stopping_) {
    cpu::RunBudget budget = budget_to_deadline();
    budget.step = c.steps;
    if (!handle_stop(index, c.vcpu->run(budget, *this))) break;
    gate_.pass(c.stays);
  }
  gate_.leave();
}

// Runs the timers that are due; the budget lasts until the next one.
cpu::RunBudget Machine::budget_to_deadline() {
  cpu::RunBudget budget;
  if (!counted_clock_) return budget;
  counted_clock_->run_timers();
  if (const auto next = counted_clock_->next_deadline()) {
    const i64 distance = raw(*next) - raw(counted_clock_->now());
    budget.instructions = distance > 0 ? static_cast<u64>(distance) : 1;
  }
  return budget;
}

bool Machine::handle_stop(u32 index, const cpu::Stop& stop_) {
  switch (stop_.why) {
    case cpu::StopReason::BudgetSpent:
    case cpu::StopReason::Kicked: return true;
    case cpu::StopReason::DebugTrap: tell_debugger(index, stop_.hit); return true;
    case cpu::StopReason::Halted:
      note(trace::Point::halt, index);
      wait_for_signal(*cpus_[index]);
      return true;
    case cpu::StopReason::TripleFault:
      stop({RunOutcome::Kind::TripleFault, 0, fmt::format("vCPU {} shut down after a triple fault", index)});
      return false;
    case cpu::StopReason::HostError:
      stop({RunOutcome::Kind::HostError, 0, fmt::format("the engine could not go on with vCPU {}", index)});
      return false;
  }
  return false;
}

void Machine::wait_for_signal(Cpu& c) {
  if (c.wake.exchange(0)) return;
  if (counted_clock_ && counted_clock_->skip_to_deadline()) return;
  c.wake.wait(0);
  c.wake = 0;
}

void Machine::signal_vcpu(VcpuId vcpu, cpu::Signal signal, u8 sipi_vector) {
  Cpu& c = *cpus_[raw(vcpu)];
  note(trace::Point::signal, raw(vcpu), static_cast<u8>(signal), sipi_vector);
  c.signal(signal, sipi_vector);
  c.wake_up();
}

void Machine::io(bus::IoAccess& access) {
  using trace::Point;
  const bool pio = access.bus == bus::BusKind::Pio, read = access.dir == bus::IoDir::Read;
  const u64 address = access.address;
  if (!read)
    note(pio ? Point::port_write : Point::mmio_write, raw(access.vcpu), address, access.size, access.value);
  dispatch(access);
  if (read)
    note(pio ? Point::port_read : Point::mmio_read, raw(access.vcpu), address, access.size, access.value);
}

// What is traced has to come by io().
bus::Bus* Machine::doorbell_bus(bus::BusKind kind) {
  const bool pio = kind == bus::BusKind::Pio;
  if (trace_.on(pio ? trace::Point::port_write : trace::Point::mmio_write)) return nullptr;
  return pio ? &pio_ : &mmio_;
}

void Machine::dispatch(bus::IoAccess& access) {
  if (access.bus == bus::BusKind::Pio) return pio_.dispatch(access);
  irq::Lapic& own = *cpus_[raw(access.vcpu)]->lapic;
  if (own.covers(access.address)) return own.io(access);
  mmio_.dispatch(access);
}

bool Machine::msr(cpu::MsrAccess& access) {
  const bool good = cpus_[raw(access.vcpu)]->lapic->msr(access);
  const bool read = access.dir == bus::IoDir::Read;
  note(read ? trace::Point::msr_read : trace::Point::msr_write, raw(access.vcpu), access.index, access.value,
       good);
  return good;
}

bool Machine::interrupt_pending(VcpuId vcpu) { return cpus_[raw(vcpu)]->lapic->interrupt_pending(); }

std::optional<u8> Machine::take_interrupt(VcpuId vcpu) {
  const std::optional<u8> vector = cpus_[raw(vcpu)]->lapic->take_interrupt();
  if (!vector) return vector;
  note(trace::Point::interrupt, raw(vcpu), *vector);
  acknowledgements_.tell();
  return vector;
}

u8 Machine::read_cr8(VcpuId vcpu) { return cpus_[raw(vcpu)]->lapic->read_cr8(); }

void Machine::write_cr8(VcpuId vcpu, u8 value) { cpus_[raw(vcpu)]->lapic->write_cr8(value); }

Result<void> Machine::export_cpu(u32 index, cpu::CpuState& out) {
  const Cpu& c = *cpus_[index];
  TANDEM_TRY(c.vcpu->export_state(out));
  out.lapic = c.lapic->state();
  out.msr.apic_base = c.lapic->apic_base();
  return {};
}

Result<void> Machine::import_cpu(u32 index, const cpu::CpuState& in) {
  Cpu& c = *cpus_[index];
  TANDEM_TRY(c.vcpu->import_state(in));
  c.vcpu->flush_translations();
  c.lapic->load_state(in.lapic, in.msr.apic_base);
  return {};
}

std::map<std::string, u64> Machine::statistics() const {
  std::map<std::string, u64> all = counters_.values();
  for (const auto& [name, value] : past_statistics_) all[name] += value;
  for (const auto& c : cpus_)
    c->vcpu->statistics([&](std::string_view name, u64 value) { all[std::string(name)] += value; });
  return all;
}

u64 Machine::retired() const {
  u64 sum = 0;
  for (const auto& c : cpus_) sum += c->retired();
  return sum;
}

}  // namespace tandem::machine
