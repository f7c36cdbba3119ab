// A few instructions from a CPU state on, in a private view of memory: as far as they depend on nothing but
// CPU and memory, and so are the same wherever else they are executed.
#pragma once

#include <functional>

#include "tools/states/code.h"
#include "tools/verify/stepper.h"
#include "tools/verify/view.h"

namespace tandem::verify {

struct Excursion {
  unsigned done = 0;  // instructions
  cpu::CpuState end;
  u64 undefined = 0;  // flags that the manual leaves open there, or that need not be right
  u64 copied = 0;     // flags that were so when a copy was made: in registers or memory
};

class Explorer {
 public:
  Explorer(View& view, const cpu::CpuModel& model) : view_(view), code_(view.memory(), model) {}

  // before: called with the state and the bytes from which each instruction starts.
  using Each = std::function<void(const cpu::CpuState& before, std::span<const u8> bytes)>;
  // At most `most` instructions; their writes stay in the view. alone: no other CPU can have changed page
  // tables and not yet said so; otherwise it ends before an instruction that faults.
  Excursion explore(Stepper& stepper, const cpu::CpuState& start, cpu::ExitSink& machine, unsigned most,
                    bool alone, const Each& each = {});
  // Flags that the code there sets before it reads them, without a branch in between.
  u64 dead_flags(const cpu::CpuState& state);

 private:
  bool try_to_explore(Stepper& stepper, const cpu::CpuState& start, cpu::ExitSink& machine, unsigned most,
                      bool alone, const Each& each, Excursion& e);

  View& view_;
  states::CodeReader code_;
};

}  // namespace tandem::verify
