#include "jit/jit_engine.h"

#include "core/interp/interp_vcpu.h"

namespace tandem::jit {

namespace {

class JitEngine final : public cpu::Engine {
 public:
  JitEngine(JitOptions options, std::shared_ptr<CodeObserver> observer)
      : options_(options), observer_(std::move(observer)) {}

  cpu::EngineCaps caps() const override { return {.name = "jit", .counts_instructions = true}; }
  Result<std::unique_ptr<cpu::Vcpu>> make_vcpu(VcpuId id, mem::GuestMemory& memory,
                                               const cpu::CpuModel& model) override {
    TANDEM_TRY_ASSIGN(host_code, semantics::HostCode::create());
    TANDEM_TRY_ASSIGN(tier, JitTier::create(options_, observer_));
    return std::unique_ptr<cpu::Vcpu>(std::make_unique<interp::InterpVcpu>(
        id, memory, model, std::move(host_code), std::unique_ptr<interp::UpperTier>(std::move(tier))));
  }

 private:
  JitOptions options_;
  std::shared_ptr<CodeObserver> observer_;
};

}  // namespace

std::unique_ptr<cpu::Engine> make_jit_engine(JitOptions options, std::shared_ptr<CodeObserver> observer) {
  return std::make_unique<JitEngine>(options, std::move(observer));
}

}  // namespace tandem::jit
