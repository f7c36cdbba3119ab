#include "hwassist/kvm_engine.h"

#include "hwassist/assisted_vcpu.h"

namespace tandem::hwassist {

namespace {

class KvmEngine final : public cpu::Engine {
 public:
  KvmEngine(std::shared_ptr<kvm::Host> host, std::unique_ptr<cpu::Engine> software, const Verdict& verdict)
      : host_(std::move(host)), software_(std::move(software)), verdict_(verdict) {}

  cpu::EngineCaps caps() const override { return {.name = "kvm", .counts_instructions = false}; }
  // The vCPUs of one memory are those of one VM.
  Result<std::unique_ptr<cpu::Vcpu>> make_vcpu(VcpuId id, mem::GuestMemory& memory,
                                               const cpu::CpuModel& model) override {
    std::shared_ptr<kvm::Vm> vm = vm_.lock();
    if (!vm || &vm->memory() != &memory) {
      TANDEM_TRY_ASSIGN(made, kvm::Vm::create(host_, memory));
      vm = std::move(made);
      vm->set_shifts_tsc(verdict_.shifts_tsc);
      vm_ = vm;
    }
    TANDEM_TRY_ASSIGN(vcpu, kvm::KvmVcpu::create(*vm, id, model));
    TANDEM_TRY_ASSIGN(software, software_->make_vcpu(id, memory, model));
    return std::unique_ptr<cpu::Vcpu>(
        std::make_unique<AssistedVcpu>(id, std::move(vm), std::move(vcpu), std::move(software), verdict_));
  }

 private:
  std::shared_ptr<kvm::Host> host_;
  std::unique_ptr<cpu::Engine> software_;
  Verdict verdict_;
  std::weak_ptr<kvm::Vm> vm_;
};

}  // namespace

std::unique_ptr<cpu::Engine> make_kvm_engine(std::shared_ptr<kvm::Host> host,
                                             std::unique_ptr<cpu::Engine> software, const Verdict& verdict) {
  return std::make_unique<KvmEngine>(std::move(host), std::move(software), verdict);
}

}  // namespace tandem::hwassist
