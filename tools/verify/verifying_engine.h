// An engine whose work is looked at: now and then a few instructions are executed by somebody else first, in
// a private view of memory, and the engine has to come to the same state. At the first difference the machine
// ends.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/verify/options.h"
#include "tools/verify/stepper.h"

namespace tandem::verify {

using StepperMaker = std::function<Result<std::unique_ptr<Stepper>>(VcpuId id, mem::GuestMemory& view,
                                                                    const cpu::CpuModel& model)>;

struct Parts {
  std::string name;                     // under which the machine knows the engine
  std::unique_ptr<cpu::Engine> engine;  // which is looked at; runs end exactly where they are to
  // Like it, for a second look at what was found. It has no memory of its own but the view.
  std::unique_ptr<cpu::Engine> again;
  std::vector<StepperMaker> steppers = {};                   // the first that takes a state is asked
  std::function<void(const std::string& text)> report = {};  // [vcpu-thread] what differs
};

std::unique_ptr<cpu::Engine> make_verifying_engine(const Options& options, Parts parts);

}  // namespace tandem::verify
