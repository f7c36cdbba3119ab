// Signals that generated code raises: SIGFPE (unmasked SIMD exception), SIGSEGV (misaligned operand).
#pragma once

#include <optional>

#include "core/semantics/host/code_arena.h"
#include "core/semantics/host/host_frame.h"

namespace tandem::semantics {

// Installs the process' handlers, once. Signals from elsewhere go to whoever had them before.
void install_signal_handlers();

// Code elsewhere whose instructions may be refused, each with a way out of its own.
class WaysOut {
 public:
  virtual ~WaysOut() = default;
  // Where to go on. In a signal handler.
  virtual std::optional<u64> way_out(u64 pc) const = 0;
};

// While it lives, signals raised by this thread inside `arena` continue at frame.fault_exit, those of `ways`
// where it says. They nest.
class SignalScope {
 public:
  SignalScope(const CodeArena& arena, HostFrame& frame, const WaysOut* ways = nullptr);
  ~SignalScope();
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;

  struct Running {
    const CodeArena* arena = nullptr;
    HostFrame* frame = nullptr;
    const WaysOut* ways = nullptr;
  };

 private:
  Running outer_;
};

}  // namespace tandem::semantics
