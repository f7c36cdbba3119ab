#include "hwassist/probe/probe.h"

#include <x86intrin.h>

#include <chrono>

#include "core/cpu/cpuid_models.h"
#include "hwassist/kvm/kvm_vcpu.h"
#include "hwassist/probe/guest_code.h"
#include "hwassist/probe/watchdog.h"

namespace tandem::hwassist {

namespace {

// A machine without devices: the probe's guests touch none.
class NoDevices final : public cpu::ExitSink {
 public:
  void io(bus::IoAccess& access) override { access.value = ~u64{0}; }
  bool msr(cpu::MsrAccess&) override { return false; }
  bool interrupt_pending(VcpuId) override { return false; }
  std::optional<u8> take_interrupt(VcpuId) override { return {}; }
  u8 read_cr8(VcpuId) override { return 0; }
  void write_cr8(VcpuId, u8) override {}
  u64 tsc_ticks(VcpuId) override { return 0; }
  std::optional<u64> host_tsc_offset() override { return tsc_offset; }
  u64 tsc_offset = 0;
};

class Prober {
 public:
  Prober(std::unique_ptr<mem::GuestMemory> memory, std::unique_ptr<kvm::Vm> vm,
         std::unique_ptr<kvm::KvmVcpu> vcpu)
      : memory_(std::move(memory)),
        vm_(std::move(vm)),
        vcpu_(std::move(vcpu)),
        watchdog_(std::make_unique<probe::Watchdog>(*vcpu_)) {}

  // First a short loop; a long one where that was quick, so that what is measured is the loop.
  ModeFinding look_at(CodeMode mode) {
    constexpr u64 kFew = 500, kMany = 60'000;
    constexpr double kQuick = 200'000;  // ns
    ModeFinding found;
    auto took = time(mode, kFew, false);
    u64 iterations = kFew;
    if (took && *took < kQuick) took = best_time(mode, iterations = kMany);
    if (!took) return found;
    found.runs = true;
    found.ns = *took / static_cast<double>(probe::instructions_of(iterations));
    found.sse = time(mode, 1, true).has_value();
    return found;
  }

  // A KVM takes an offset, and one without hardware leaves RDTSC to the host's CPU.
  bool shifts_tsc() {
    NoDevices machine;
    machine.tsc_offset = u64{1} << 60;  // further than any host has come
    vm_->set_shifts_tsc(true);
    const u64 before = __rdtsc() + machine.tsc_offset;
    const auto end = run(probe::state_that_reads_tsc(), machine);
    const u64 after = __rdtsc() + machine.tsc_offset;
    return end && end->gpr[cpu::kRax] >= before && end->gpr[cpu::kRax] <= after;
  }

 private:
  // Of some tries: caches and clocks have to warm up.
  std::optional<double> best_time(CodeMode mode, u64 iterations) {
    constexpr int kTries = 4;
    std::optional<double> best;
    for (int i = 0; i < kTries; ++i)
      if (const auto took = time(mode, iterations, false); took && (!best || *took < *best)) best = took;
    return best;
  }
  // Nanoseconds; nothing where it did not come to its end.
  std::optional<double> time(CodeMode mode, u64 iterations, bool sse) {
    NoDevices none;
    if (!run(probe::state_in(mode, iterations, sse), none)) return {};
    return took_.count();
  }
  // Nothing where it did not come to its end; took_ is how long it did.
  std::optional<cpu::CpuState> run(const cpu::CpuState& from, NoDevices& machine) {
    if (!vcpu_->import_state(from, machine, kvm::Scope::Whole)) return {};
    watchdog_->try_begins();
    const auto start = processor_.now();
    const kvm::Ended ended = vcpu_->run(machine);
    took_ = processor_.now() - start;
    watchdog_->try_ends();
    cpu::CpuState end;
    const bool there = vcpu_->export_state(end) && end.gpr[cpu::kRcx] == 0;
    const bool left = ended.why == kvm::Ended::Why::Halted || ended.why == kvm::Ended::Why::TripleFault;
    return there && left ? std::optional(end) : std::nullopt;
  }

  std::unique_ptr<mem::GuestMemory> memory_;
  std::unique_ptr<kvm::Vm> vm_;
  std::unique_ptr<kvm::KvmVcpu> vcpu_;
  probe::ThreadTime processor_;
  std::chrono::duration<double, std::nano> took_{};
  std::unique_ptr<probe::Watchdog> watchdog_;
};

Result<Prober> make_prober(std::shared_ptr<kvm::Host> host) {
  TANDEM_TRY_ASSIGN(memory, mem::GuestMemory::create(probe::kMemoryBytes));
  probe::lay_out(*memory);
  TANDEM_TRY_ASSIGN(vm, kvm::Vm::create(std::move(host), *memory));
  TANDEM_TRY_ASSIGN(vcpu, kvm::KvmVcpu::create(*vm, VcpuId{0}, cpu::default_cpu_model()));
  return Prober(std::move(memory), std::move(vm), std::move(vcpu));
}

}  // namespace

Findings probe_kvm(std::shared_ptr<kvm::Host> host) {
  Findings findings;
  auto prober = make_prober(std::move(host));
  if (!prober) {
    findings.obstacle = prober.error().message;
    return findings;
  }
  for (const CodeMode mode : {CodeMode::Kernel64, CodeMode::User64, CodeMode::Real, CodeMode::Protected,
                              CodeMode::Kernel32, CodeMode::User32, CodeMode::Compat})
    findings.modes[static_cast<unsigned>(mode)] = prober.value().look_at(mode);
  if (findings.of(CodeMode::User64).runs) findings.shifts_tsc = prober.value().shifts_tsc();
  return findings;
}

}  // namespace tandem::hwassist
