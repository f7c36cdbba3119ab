// AssistedVcpu: one vCPU that two engines pedal: KVM where it is of use, a software engine for the rest. The
// state is with one of them at a time.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <string>

#include "core/cpu/engine.h"
#include "core/cpu/held_signals.h"
#include "hwassist/findings.h"
#include "hwassist/kvm/guest_debug.h"
#include "hwassist/kvm/kvm_vcpu.h"
#include "hwassist/user_policy.h"

namespace tandem::hwassist {

class AssistedVcpu final : public cpu::Vcpu {
 public:
  AssistedVcpu(VcpuId id, std::shared_ptr<kvm::Vm> vm, std::unique_ptr<kvm::KvmVcpu> kvm,
               std::unique_ptr<cpu::Vcpu> software, const Verdict& verdict);

  cpu::Stop run(const cpu::RunBudget& budget, cpu::ExitSink& sink) override;
  void kick() noexcept override;
  void signal(cpu::Signal s, u8 sipi_vector) noexcept override;
  u64 retired() const override { return software_->retired(); }
  u64 mapping_changes() const override { return software_->mapping_changes(); }
  Result<void> export_state(cpu::CpuState& out) override;
  Result<void> import_state(const cpu::CpuState& in) override;
  void statistics(const Report& report) const override;
  std::string code_text(Gpa at) const override { return software_->code_text(at); }
  void flush_translations() override { software_->flush_translations(); }
  Result<void> set_debug_points(std::shared_ptr<const cpu::DebugPoints> points) override;

 private:
  // Nothing: go on.
  std::optional<cpu::Stop> run_software(cpu::ExitSink& sink);
  std::optional<cpu::Stop> run_watched(const cpu::RunBudget& budget, cpu::ExitSink& sink);
  std::optional<cpu::Stop> run_kvm(cpu::ExitSink& sink);
  bool to_kvm(cpu::ExitSink& sink);
  bool wants_kvm();
  bool events_wait(cpu::ExitSink& sink) const;
  bool back_to_software();
  bool give_points();
  std::optional<cpu::Stop> stop_for_debugger();
  void count_failure(std::string_view exit);

  VcpuId id_;
  std::shared_ptr<kvm::Vm> vm_;
  std::unique_ptr<kvm::KvmVcpu> kvm_;
  std::unique_ptr<cpu::Vcpu> software_;
  Assist assist_;
  std::array<bool, kCodeModes> usable_;
  std::array<unsigned, kCodeModes> failures_{};
  UserPolicy user_policy_;
  cpu::CpuState state_;  // as last exported
  bool in_kvm_ = false;  // who has the state
  // Debug points: those that are new, and whether there are any; what KVM has of them.
  std::shared_ptr<const cpu::DebugPoints> new_points_;
  bool debugged_ = false;
  std::optional<kvm_guest_debug> kvm_points_;
  u64 forgotten_at_ = 0;  // mapping_changes() when KVM last forgot its mappings
  i64 overhead_ns_ = 0;   // of the present way to KVM
  u64 cooling_ = 0;       // instructions that the software engine is to run before KVM is tried again
  std::map<std::string, u64, std::less<>> exits_;
  u64 entries_ = 0, kvm_ns_ = 0, forgets_ = 0;

  // [any-thread]
  std::atomic<bool> kicked_ = false;
  cpu::HeldSignals signals_;
};

}  // namespace tandem::hwassist
