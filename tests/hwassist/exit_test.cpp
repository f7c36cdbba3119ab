// What exits mean, from structures filled by hand.
#include <gtest/gtest.h>

#include <cerrno>

#include "hwassist/kvm/exit.h"

namespace tandem::tests {
namespace {

using hwassist::kvm::ExitKind;

struct Row {
  int result;
  u32 reason;
  ExitKind kind;
  std::string_view name;
};

TEST(Exit, MeansWhatTheKernelSays) {
  const Row rows[] = {
      {-EINTR, 0, ExitKind::Interrupted, "interrupted"},
      {-EAGAIN, 0, ExitKind::Interrupted, "interrupted"},
      {-EFAULT, 0, ExitKind::Software, "memory_fault"},
      {-EFAULT, hwassist::kvm::kExitMemoryFault, ExitKind::Software, "memory_fault"},
      {-EINVAL, 0, ExitKind::Failed, "run_failed"},
      {-EBADF, KVM_EXIT_IO, ExitKind::Failed, "run_failed"},
      {0, KVM_EXIT_IO, ExitKind::Io, "io"},
      {0, KVM_EXIT_MMIO, ExitKind::Mmio, "mmio"},
      {0, KVM_EXIT_HLT, ExitKind::Halt, "halt"},
      {0, KVM_EXIT_SHUTDOWN, ExitKind::Shutdown, "shutdown"},
      {0, KVM_EXIT_INTERNAL_ERROR, ExitKind::Software, "internal_error"},
      {0, KVM_EXIT_FAIL_ENTRY, ExitKind::Software, "fail_entry"},
      {0, KVM_EXIT_DEBUG, ExitKind::Software, "debug"},
      {0, KVM_EXIT_IRQ_WINDOW_OPEN, ExitKind::InterruptWindow, "interrupt_window"},
      {0, KVM_EXIT_SET_TPR, ExitKind::Tpr, "tpr"},
      {0, KVM_EXIT_INTR, ExitKind::Interrupted, "interrupted"},
      {0, KVM_EXIT_X86_RDMSR, ExitKind::Msr, "rdmsr"},
      {0, KVM_EXIT_X86_WRMSR, ExitKind::Msr, "wrmsr"},
      {0, KVM_EXIT_HYPERCALL, ExitKind::Failed, "unknown"},
      {0, 9999, ExitKind::Failed, "unknown"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(testing::Message() << "result " << row.result << ", reason " << row.reason);
    kvm_run run{};
    run.exit_reason = row.reason;
    const hwassist::kvm::Exit exit = hwassist::kvm::decode_exit(row.result, run);
    EXPECT_EQ(exit.kind, row.kind);
    EXPECT_EQ(exit.name, row.name);
  }
}

}  // namespace
}  // namespace tandem::tests
