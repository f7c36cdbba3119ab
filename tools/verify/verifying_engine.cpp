#include "tools/verify/verifying_engine.h"

#include "tools/verify/verifying_vcpu.h"

namespace tandem::verify {

namespace {

class VerifyingEngine final : public cpu::Engine {
 public:
  VerifyingEngine(const Options& options, Parts parts) : options_(options), parts_(std::move(parts)) {}

  cpu::EngineCaps caps() const override {
    return {.name = parts_.name, .counts_instructions = parts_.engine->caps().counts_instructions};
  }

  // The vCPUs of one memory are those of one machine.
  Result<std::unique_ptr<cpu::Vcpu>> make_vcpu(VcpuId id, mem::GuestMemory& memory,
                                               const cpu::CpuModel& model) override {
    std::shared_ptr<VerifyingVcpu::Common> common = common_.lock();
    if (!common || memory_of_common_ != &memory) {
      common = std::make_shared<VerifyingVcpu::Common>();
      common->name = parts_.name;
      common->options = options_;
      common->report = parts_.report;
      common_ = common;
      memory_of_common_ = &memory;
    }
    TANDEM_TRY_ASSIGN(subject, parts_.engine->make_vcpu(id, memory, model));
    TANDEM_TRY_ASSIGN(sampling, make_sampling(id, memory, model));
    return std::unique_ptr<cpu::Vcpu>(std::make_unique<VerifyingVcpu>(
        id, std::move(common), memory, model, std::move(subject), std::move(sampling)));
  }

 private:
  Result<Sampling> make_sampling(VcpuId id, mem::GuestMemory& memory, const cpu::CpuModel& model) {
    Sampling sampling;
    TANDEM_TRY_ASSIGN(view, View::create(memory));
    sampling.view = std::move(view);
    for (const StepperMaker& make : parts_.steppers) {
      TANDEM_TRY_ASSIGN(stepper, make(id, sampling.view->memory(), model));
      sampling.steppers.push_back(std::move(stepper));
    }
    TANDEM_TRY_ASSIGN(again, parts_.again->make_vcpu(id, sampling.view->memory(), model));
    sampling.again = std::move(again);
    return sampling;
  }

  Options options_;
  Parts parts_;
  std::weak_ptr<VerifyingVcpu::Common> common_;
  const mem::GuestMemory* memory_of_common_ = nullptr;
};

}  // namespace

std::unique_ptr<cpu::Engine> make_verifying_engine(const Options& options, Parts parts) {
  return std::make_unique<VerifyingEngine>(options, std::move(parts));
}

}  // namespace tandem::verify
