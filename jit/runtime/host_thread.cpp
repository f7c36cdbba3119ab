#include "jit/runtime/host_thread.h"

#include <asm/prctl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>

#include "core/base/assert.h"

namespace tandem::jit {

namespace {

constexpr u64 kStackBytes = 64 * KiB;
constexpr unsigned long kHwcap2Fsgsbase = 2;

class SignalStack {
 public:
  SignalStack() {
    stack_t stack{};
    stack.ss_sp = memory_.get();
    stack.ss_size = kStackBytes;
    ensure(sigaltstack(&stack, nullptr) == 0, "sigaltstack");
  }
  ~SignalStack() {
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
  }

 private:
  std::unique_ptr<u8[]> memory_{new u8[kStackBytes]};
};

void set_gs_base(u64 base) {
  static const bool direct = getauxval(AT_HWCAP2) & kHwcap2Fsgsbase;
  if (direct) asm volatile("wrgsbase %0" : : "r"(base));
  else ensure(syscall(SYS_arch_prctl, ARCH_SET_GS, base) == 0, "arch_prctl");
}

}  // namespace

void prepare_host_thread() {
  static thread_local SignalStack stack;
  // Touches the stack so that the thread has it.
  asm volatile("" : : "r"(&stack) : "memory");
}

void set_window_base(u64 base) {
  static thread_local u64 present = 0;
  if (present == base) return;
  set_gs_base(base);
  present = base;
}

}  // namespace tandem::jit
