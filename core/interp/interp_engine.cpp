#include "core/interp/interp_engine.h"

#include "core/interp/interp_vcpu.h"

namespace tandem::interp {

namespace {

class InterpEngine final : public cpu::Engine {
 public:
  cpu::EngineCaps caps() const override { return {.name = "interp", .counts_instructions = true}; }
  Result<std::unique_ptr<cpu::Vcpu>> make_vcpu(VcpuId id, mem::GuestMemory& memory,
                                               const cpu::CpuModel& model) override {
    TANDEM_TRY_ASSIGN(host_code, semantics::HostCode::create());
    return std::unique_ptr<cpu::Vcpu>(std::make_unique<InterpVcpu>(id, memory, model, std::move(host_code)));
  }
};

}  // namespace

std::unique_ptr<cpu::Engine> make_interp_engine() { return std::make_unique<InterpEngine>(); }

}  // namespace tandem::interp
