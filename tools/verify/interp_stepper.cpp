#include <optional>

#include "core/interp/interp_engine.h"
#include "tools/verify/sinks.h"
#include "tools/verify/stepper.h"

namespace tandem::verify {

namespace {

class InterpStepper final : public Stepper {
 public:
  InterpStepper(std::unique_ptr<cpu::Engine> engine, std::unique_ptr<cpu::Vcpu> vcpu)
      : engine_(std::move(engine)), vcpu_(std::move(vcpu)) {}

  std::string_view name() const override { return "interp"; }
  bool takes(const cpu::CpuState&) const override { return true; }
  bool does(const ZydisDecodedInstruction&) const override { return true; }

  // What it had decoded before may have been changed since, and its TLB entries no longer make dirty marks.
  bool start(const cpu::CpuState& state, cpu::ExitSink& machine) override {
    sink_.emplace(machine);
    if (!vcpu_->import_state(state)) return false;
    vcpu_->flush_translations();
    return true;
  }

  Step step() override {
    const cpu::Stop stop = vcpu_->run({.instructions = 1}, *sink_);
    return stop.retired == 1 && !sink_->asked() ? Step::Done : Step::Spoilt;
  }

  bool state(cpu::CpuState& out) override { return vcpu_->export_state(out).ok(); }

 private:
  std::unique_ptr<cpu::Engine> engine_;
  std::unique_ptr<cpu::Vcpu> vcpu_;
  std::optional<NoDevices> sink_;
};

}  // namespace

Result<std::unique_ptr<Stepper>> make_interp_stepper(VcpuId id, mem::GuestMemory& view,
                                                     const cpu::CpuModel& model) {
  auto engine = interp::make_interp_engine();
  TANDEM_TRY_ASSIGN(vcpu, engine->make_vcpu(id, view, model));
  return std::unique_ptr<Stepper>(std::make_unique<InterpStepper>(std::move(engine), std::move(vcpu)));
}

}  // namespace tandem::verify
