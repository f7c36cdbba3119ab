#include "hwassist/kvm/exit.h"

#include <cerrno>

namespace tandem::hwassist::kvm {

Exit decode_exit(int result, const kvm_run& run) {
  if (result == -EINTR || result == -EAGAIN) return {ExitKind::Interrupted, "interrupted"};
  // A page of the guest's that the host protects: it holds code that the software engine has translated.
  if (result == -EFAULT) return {ExitKind::Software, "memory_fault"};
  if (result < 0) return {ExitKind::Failed, "run_failed"};
  switch (run.exit_reason) {
    case KVM_EXIT_IO: return {ExitKind::Io, "io"};
    case KVM_EXIT_MMIO: return {ExitKind::Mmio, "mmio"};
    case KVM_EXIT_X86_RDMSR: return {ExitKind::Msr, "rdmsr"};
    case KVM_EXIT_X86_WRMSR: return {ExitKind::Msr, "wrmsr"};
    case KVM_EXIT_HLT: return {ExitKind::Halt, "halt"};
    case KVM_EXIT_SHUTDOWN: return {ExitKind::Shutdown, "shutdown"};
    case KVM_EXIT_IRQ_WINDOW_OPEN: return {ExitKind::InterruptWindow, "interrupt_window"};
    case KVM_EXIT_SET_TPR: return {ExitKind::Tpr, "tpr"};
    case KVM_EXIT_INTR: return {ExitKind::Interrupted, "interrupted"};
    // The kernel could not emulate an instruction, or does not know what to do: the software engine does.
    case KVM_EXIT_INTERNAL_ERROR: return {ExitKind::Software, "internal_error"};
    case KVM_EXIT_EXCEPTION: return {ExitKind::Software, "exception"};
    case KVM_EXIT_DEBUG: return {ExitKind::Software, "debug"};
    case kExitMemoryFault: return {ExitKind::Software, "memory_fault"};
    case KVM_EXIT_FAIL_ENTRY: return {ExitKind::Software, "fail_entry"};
    default: return {ExitKind::Failed, "unknown"};
  }
}

}  // namespace tandem::hwassist::kvm
