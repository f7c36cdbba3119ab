#include "hwassist/kvm/kvm_vcpu.h"
#include "hwassist/mode.h"
#include "tools/verify/sinks.h"
#include "tools/verify/stepper.h"

namespace tandem::verify {

namespace {

using hwassist::kvm::KvmVcpu;
using hwassist::kvm::Scope;
using hwassist::kvm::Vm;

// What tells of the host's CPU instead of the guest's, or of being stepped: the place of the last x87
// instruction, which parts of the vector state are in use, how exact an approximation is, TF.
bool tells_of_host(const ZydisDecodedInstruction& insn) {
  switch (insn.meta.category) {
    case ZYDIS_CATEGORY_XSAVE:
    case ZYDIS_CATEGORY_XSAVEOPT: return true;
    default: break;
  }
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_XGETBV:
    case ZYDIS_MNEMONIC_RDPID:
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
    case ZYDIS_MNEMONIC_RCPPS:
    case ZYDIS_MNEMONIC_RCPSS:
    case ZYDIS_MNEMONIC_RSQRTPS:
    case ZYDIS_MNEMONIC_RSQRTSS:
    case ZYDIS_MNEMONIC_VRCPPS:
    case ZYDIS_MNEMONIC_VRCPSS:
    case ZYDIS_MNEMONIC_VRSQRTPS:
    case ZYDIS_MNEMONIC_VRSQRTSS:
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFQ:
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFQ: return true;
    default: return insn.meta.isa_ext == ZYDIS_ISA_EXT_X87;
  }
}

class KvmStepper final : public Stepper {
 public:
  KvmStepper(std::unique_ptr<Vm> vm, std::unique_ptr<KvmVcpu> vcpu)
      : vm_(std::move(vm)), vcpu_(std::move(vcpu)) {}

  std::string_view name() const override { return "kvm"; }
  bool takes(const cpu::CpuState& state) const override {
    return hwassist::fits_user_scope(state) && state.activity == cpu::Activity::Running;
  }
  bool does(const ZydisDecodedInstruction& insn) const override { return !tells_of_host(insn); }

  // A KVM that shadows page tables does not notice that they have been written.
  bool start(const cpu::CpuState& state, cpu::ExitSink& machine) override {
    sink_.emplace(machine);
    state_ = state;
    vcpu_->clear_kick();
    vm_->forget_mappings();
    return vcpu_->import_state(state, *sink_, Scope::User) && vcpu_->step();
  }

  // A fault ends with the state from before it, and so does a REP that has more to do. A KVM without hardware
  // delivers the trap to the guest, which has no IDT for it.
  Step step() override {
    const u64 rip = state_.rip;
    const std::string_view exit = vcpu_->run(*sink_).name;
    const bool stepped = exit == "debug" || exit == "shutdown";
    const bool good = stepped && !sink_->asked() && vcpu_->export_state(state_) && vm_->mark_writes();
    return good && state_.rip != rip ? Step::Done : Step::Spoilt;
  }

  bool state(cpu::CpuState& out) override { return out = state_, true; }

 private:
  std::unique_ptr<Vm> vm_;
  std::unique_ptr<KvmVcpu> vcpu_;
  std::optional<NoDevices> sink_;
  cpu::CpuState state_;
};

}  // namespace

Result<std::unique_ptr<Stepper>> make_kvm_stepper(VcpuId id, mem::GuestMemory& view,
                                                  const cpu::CpuModel& model) {
  TANDEM_TRY_ASSIGN(vm, Vm::create(hwassist::kvm::make_host(), view));
  TANDEM_TRY_ASSIGN(vcpu, KvmVcpu::create(*vm, id, model));
  return std::unique_ptr<Stepper>(std::make_unique<KvmStepper>(std::move(vm), std::move(vcpu)));
}

}  // namespace tandem::verify
