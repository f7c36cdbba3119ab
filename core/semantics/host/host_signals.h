// Signals that generated code raises: SIGFPE (unmasked SIMD exception), SIGSEGV (misaligned operand).
#pragma once

#include "core/semantics/host/code_arena.h"
#include "core/semantics/host/host_frame.h"

namespace tandem::semantics {

// Installs the process' handlers, once. Signals from elsewhere go to whoever had them before.
void install_signal_handlers();

// While it lives, signals raised by this thread inside `arena` continue at frame.fault_exit. They nest.
class SignalScope {
 public:
  SignalScope(const CodeArena& arena, HostFrame& frame);
  ~SignalScope();
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;

  struct Running {
    const CodeArena* arena = nullptr;
    HostFrame* frame = nullptr;
  };

 private:
  Running outer_;
};

}  // namespace tandem::semantics
