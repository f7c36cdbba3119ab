// One vCPU of a verifying engine.
#pragma once

#include <map>
#include <optional>
#include <random>

#include "core/cpu/held_signals.h"
#include "tools/verify/comparison.h"
#include "tools/verify/finding.h"
#include "tools/verify/turns.h"
#include "tools/verify/verifying_engine.h"

namespace tandem::verify {

// Who takes part in the samples of one vCPU.
struct Sampling {
  std::unique_ptr<View> view;
  std::vector<std::unique_ptr<Stepper>> steppers;
  std::unique_ptr<cpu::Vcpu> again;  // in the view
};

class VerifyingVcpu final : public cpu::Vcpu {
 public:
  // What all vCPUs have in common.
  struct Common {
    Turns turns;
    std::string name;  // of the engine
    Options options;
    std::function<void(const std::string& text)> report;
  };

  VerifyingVcpu(VcpuId id, std::shared_ptr<Common> common, mem::GuestMemory& memory,
                const cpu::CpuModel& model, std::unique_ptr<cpu::Vcpu> subject, Sampling sampling);
  ~VerifyingVcpu() override;

  cpu::Stop run(const cpu::RunBudget& budget, cpu::ExitSink& sink) override;
  void kick() noexcept override;
  void signal(cpu::Signal s, u8 sipi_vector) noexcept override;
  u64 retired() const override { return subject_->retired(); }
  u64 mapping_changes() const override { return subject_->mapping_changes(); }
  Result<void> export_state(cpu::CpuState& out) override;
  Result<void> import_state(const cpu::CpuState& in) override;
  Result<void> import_registers(const cpu::CpuState& in) override;
  void statistics(const Report& report) const override;
  std::string code_text(Gpa at) const override { return subject_->code_text(at); }
  void flush_translations() override { subject_->flush_translations(); }
  Result<void> set_debug_points(std::shared_ptr<const cpu::DebugPoints> points) override;

 private:
  // Nothing: go on.
  std::optional<cpu::StopReason> go_on(u64 left, cpu::ExitSink& sink);
  bool sample(u64 left, cpu::ExitSink& sink);
  bool sample_standing(u64 left, cpu::ExitSink& sink, bool alone);
  Sample execute(u64 instructions, cpu::ExitSink& machine);
  bool disturbed();
  u64 next_gap();

  VcpuId id_;
  std::shared_ptr<Common> common_;
  mem::GuestMemory& memory_;
  std::unique_ptr<cpu::Vcpu> subject_;
  Sampling sampling_;
  Explorer explorer_;
  std::mt19937_64 random_;
  u64 until_sample_;
  bool debugged_ = false;
  struct Figures {
    u64 samples = 0, empty = 0, disturbed = 0;
  };
  Figures figures_;
  std::map<std::string, u64, std::less<>> by_stepper_;  // instructions

  // [any-thread]
  std::atomic<bool> kicked_ = false;
  cpu::HeldSignals signals_;
};

}  // namespace tandem::verify
