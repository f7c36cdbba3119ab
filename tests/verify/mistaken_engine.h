// An engine that makes a planted mistake: the interpreter, as if it translated blocks of one piece of code,
// with one instruction translated wrongly.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "core/interp/interp_engine.h"
#include "core/mem/guest_memory.h"

namespace tandem::tests {

struct Mistake {
  u64 rip = 0;  // of the instruction
  // What goes wrong behind it; where it is missing, nothing.
  std::function<void(cpu::CpuState& state, mem::GuestMemory& memory, cpu::ExitSink& sink)> make = {};
  std::vector<u64> block = {};  // all its instructions
};

// A block is executed as a whole where the run goes that far, and only then with its mistake.
class MistakenVcpu final : public cpu::Vcpu {
 public:
  MistakenVcpu(std::unique_ptr<cpu::Vcpu> vcpu, mem::GuestMemory& memory, const Mistake& mistake)
      : vcpu_(std::move(vcpu)), memory_(memory), mistake_(mistake) {}

  cpu::Stop run(const cpu::RunBudget& budget, cpu::ExitSink& sink) override {
    cpu::Stop all{cpu::StopReason::BudgetSpent, 0};
    u64 translated = 0;  // instructions that are left of a block
    while (all.retired < budget.instructions && all.why == cpu::StopReason::BudgetSpent) {
      cpu::CpuState state;
      if (!vcpu_->export_state(state)) return all;
      const u64 rip = state.rip, to_end = to_end_of_block(rip);
      if (!translated && budget.instructions - all.retired >= to_end) translated = to_end;
      const cpu::Stop one = vcpu_->run({.instructions = 1}, sink);
      all.why = one.why;
      all.retired += one.retired;
      if (!translated || !one.retired) continue;
      --translated;
      if (rip == mistake_.rip && mistake_.make) err(sink);
    }
    return all;
  }
  void kick() noexcept override { vcpu_->kick(); }
  void signal(cpu::Signal s, u8 sipi_vector) noexcept override { vcpu_->signal(s, sipi_vector); }
  u64 retired() const override { return vcpu_->retired(); }
  Result<void> export_state(cpu::CpuState& out) override { return vcpu_->export_state(out); }
  Result<void> import_state(const cpu::CpuState& in) override { return vcpu_->import_state(in); }
  void statistics(const Report& report) const override { vcpu_->statistics(report); }
  std::string code_text(Gpa at) const override { return vcpu_->code_text(at); }
  void flush_translations() override { vcpu_->flush_translations(); }
  Result<void> set_debug_points(std::shared_ptr<const cpu::DebugPoints> points) override {
    return vcpu_->set_debug_points(std::move(points));
  }

 private:
  u64 to_end_of_block(u64 rip) const {
    const auto here = std::ranges::find(mistake_.block, rip);
    return here == mistake_.block.end() ? 1 : static_cast<u64>(mistake_.block.end() - here);
  }
  void err(cpu::ExitSink& sink) {
    cpu::CpuState state;
    if (!vcpu_->export_state(state)) return;
    mistake_.make(state, memory_, sink);
    (void)vcpu_->import_state(state);
  }

  std::unique_ptr<cpu::Vcpu> vcpu_;
  mem::GuestMemory& memory_;
  Mistake mistake_;
};

class MistakenEngine final : public cpu::Engine {
 public:
  explicit MistakenEngine(Mistake mistake) : mistake_(std::move(mistake)) {}
  cpu::EngineCaps caps() const override { return {.name = "mistaken", .counts_instructions = true}; }
  Result<std::unique_ptr<cpu::Vcpu>> make_vcpu(VcpuId id, mem::GuestMemory& memory,
                                               const cpu::CpuModel& model) override {
    TANDEM_TRY_ASSIGN(vcpu, interp_->make_vcpu(id, memory, model));
    return std::unique_ptr<cpu::Vcpu>(std::make_unique<MistakenVcpu>(std::move(vcpu), memory, mistake_));
  }

 private:
  Mistake mistake_;
  std::unique_ptr<cpu::Engine> interp_ = interp::make_interp_engine();
};

}  // namespace tandem::tests
