// Runs a few instructions in user mode on a vCPU of an engine, without a machine around it.
#pragma once

#include <memory>
#include <span>

#include "core/cpu/cpuid_models.h"
#include "core/cpu/engine.h"
#include "core/mem/guest_memory.h"
#include "tests/support/no_devices.h"
#include "tests/support/run_state.h"

namespace tandem::tests {

// The guest kernel under the instructions: each exception goes through an IDT gate to a HLT, from which the
// executor reads which one it was. The code ends in a HLT of its own, which is #GP in user mode.
class EngineExecutor {
 public:
  static Result<std::unique_ptr<EngineExecutor>> create(cpu::Engine& engine, const cpu::CpuModel& model);
  ~EngineExecutor();

  // As NativeExecutor::run. Error: the vCPU stopped for a reason that no instruction should give.
  Result<void> run(std::span<const u8> code, RunState& state);
  // Instructions of the last run, with those of the handler that ended it.
  u64 retired() const { return retired_; }

 private:
  EngineExecutor() = default;
  void write_tables();
  Result<void> read_result(u64 code_end, RunState& state);

  cpu::CpuModel model_;
  std::unique_ptr<mem::GuestMemory> memory_;
  NoDevices devices_;
  std::unique_ptr<cpu::Vcpu> vcpu_;
  u64 retired_ = 0;
};

}  // namespace tandem::tests
