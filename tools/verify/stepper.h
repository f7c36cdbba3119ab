// Stepper: executes instructions one by one in a private view of guest memory, for others to be held against.
// Belongs to its vCPU's thread.
#pragma once

#include <Zydis/Zydis.h>

#include <memory>
#include <string_view>

#include "core/cpu/cpuid_models.h"
#include "core/cpu/engine.h"
#include "core/mem/guest_memory.h"

namespace tandem::verify {

class Stepper {
 public:
  enum class Step : u8 {
    Done,
    Spoilt,  // it reached out of CPU and memory, or could not be executed: the state is of no use any more
  };

  virtual ~Stepper() = default;
  virtual std::string_view name() const = 0;
  // Is this a state that it can begin from?
  virtual bool takes(const cpu::CpuState& state) const = 0;
  // Does this instruction do here what it does on the guest's CPU?
  virtual bool does(const ZydisDecodedInstruction& insn) const = 0;
  // Nothing has been written to the view since its drop_writes(). machine: asked for what is constant, until
  // the next start(). False: it does not take the state after all.
  virtual bool start(const cpu::CpuState& state, cpu::ExitSink& machine) = 0;
  virtual Step step() = 0;
  // Between two steps. Then the view's dirty marks are up to date.
  virtual bool state(cpu::CpuState& out) = 0;
};

// By the interpreter. Error: the host refused memory.
Result<std::unique_ptr<Stepper>> make_interp_stepper(VcpuId id, mem::GuestMemory& view,
                                                     const cpu::CpuModel& model);

// By the host's CPU, as far as it runs user code under KVM. Error: there is none of use.
Result<std::unique_ptr<Stepper>> make_kvm_stepper(VcpuId id, mem::GuestMemory& view,
                                                  const cpu::CpuModel& model);

}  // namespace tandem::verify
