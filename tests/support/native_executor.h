// Runs a few instructions on the bare host CPU, in this process: the oracle for user-mode instructions.
#pragma once

#include <memory>
#include <span>

#include "core/base/result.h"
#include "tests/support/run_state.h"

namespace tandem::tests {

struct NativeContext;

// One at a time in a process (fixed addresses); for one thread. The code must neither call the kernel nor
// leave its bytes but at their end.
class NativeExecutor {
 public:
  static Result<std::unique_ptr<NativeExecutor>> create();
  ~NativeExecutor();

  // code: at most kMaxCode bytes, placed at kCodeAddress. Signals it raises become state.fault.
  void run(std::span<const u8> code, RunState& state);

 private:
  NativeExecutor() = default;
  NativeContext* context_ = nullptr;
  u8* code_ = nullptr;
  u8* window_ = nullptr;
};

}  // namespace tandem::tests
