// KvmVcpu: one vCPU of a Vm. The local APIC stays the machine's own, so that interrupts, timers and IPIs are
// the same under every engine, and a vCPU can go to the software engine and back at any instruction.
// All but kick() belongs to the vCPU's thread.
#pragma once

#include <pthread.h>

#include <atomic>
#include <optional>
#include <set>

#include "core/cpu/cpuid_models.h"
#include "core/cpu/engine.h"
#include "hwassist/kvm/exit.h"
#include "hwassist/kvm/registers.h"
#include "hwassist/kvm/vm.h"

namespace tandem::hwassist::kvm {

// What KVM is to run.
enum class Scope : u8 {
  Whole,  // everything
  User,   // 64-bit code at CPL 3, up to the first event; the rest is the software engine's
};

struct Ended {
  enum class Why : u8 { Kicked, Halted, TripleFault, Software, Failed };
  Why why;
  std::string_view name;  // of the exit
};

class KvmVcpu {
 public:
  static Result<std::unique_ptr<KvmVcpu>> create(Vm& vm, VcpuId id, const cpu::CpuModel& model);
  ~KvmVcpu();
  KvmVcpu(const KvmVcpu&) = delete;
  KvmVcpu& operator=(const KvmVcpu&) = delete;

  // False: KVM does not take this state.
  bool import_state(const cpu::CpuState& state, cpu::ExitSink& sink, Scope scope);
  // After import_state(): the state at the boundary where run() ended. What the scope leaves out keeps its
  // value.
  bool export_state(cpu::CpuState& state);
  Ended run(cpu::ExitSink& sink);
  void kick() noexcept;  // [any-thread] async-signal-safe
  // From now on, run() ends behind each instruction, as "debug", or as "shutdown" where KVM leaves the trap
  // to a guest without IDT.
  bool step();
  // From now on, run() ends at these points, as "debug", or where code has stepped itself.
  bool set_debug(const kvm_guest_debug& points);
  const kvm_debug_exit_arch& debug_exit() const { return run_->debug.arch; }
  // Kicks so far are done with.
  void clear_kick() { asked_ = false; }

 private:
  KvmVcpu(Vm& vm, VcpuId id, Fd fd, kvm_run* run);
  Result<void> set_cpuid(const cpu::CpuModel& model);
  bool import_whole(const cpu::CpuState& state, cpu::ExitSink& sink);
  bool import_user(const cpu::CpuState& state, cpu::ExitSink& sink);
  void find_unknown_msrs();
  MsrList known(const MsrList& wanted) const;
  bool set_msrs(const MsrList& list);
  bool set_tsc_offset(const cpu::CpuState& state, cpu::ExitSink& sink);
  bool set_vectors(const cpu::CpuState& state);
  bool get_vectors(cpu::CpuState& state);
  void export_user(const kvm_regs& regs, const kvm_sregs& sregs, cpu::CpuState& state);
  bool take_step_trap(const kvm_regs& regs);

  Exit enter();
  std::optional<Ended> handle(const Exit& exit, cpu::ExitSink& sink);
  std::optional<Ended> handle_in_user_code(const Exit& exit, cpu::ExitSink& sink);
  void offer_interrupt(cpu::ExitSink& sink);
  void do_io(cpu::ExitSink& sink);
  void do_mmio(cpu::ExitSink& sink);
  bool do_msr(cpu::ExitSink& sink);
  void settle(cpu::ExitSink* sink);

  Vm& vm_;
  VcpuId id_;
  Fd fd_;
  kvm_run* run_;
  XsaveLayout layout_;
  std::set<u32> unknown_msrs_;
  Scope scope_ = Scope::Whole;
  bool halted_ = false;
  bool user_msrs_ = false;    // those of the User scope are set
  bool steps_ = false;        // step() was called
  u64 tsc_offset_ = ~u64{0};  // that KVM has
  bool unsettled_ = false;    // the last exit waits for KVM_RUN to end its instruction,
  bool served_ = false;       // whose access has been made
  std::atomic<bool> asked_ = false;
  std::atomic<bool> inside_ = false;
  pthread_t thread_{};
};

}  // namespace tandem::hwassist::kvm
