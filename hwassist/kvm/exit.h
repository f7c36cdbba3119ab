// What an exit from KVM_RUN means to us: a pure function of what the kernel filled in.
#pragma once

#include <string_view>

#include "hwassist/kvm/abi.h"

namespace tandem::hwassist::kvm {

enum class ExitKind : u8 {
  Interrupted,      // by a signal or by immediate_exit: look what is asked for
  Io,               // ports; run.io
  Mmio,             // run.mmio
  Msr,              // run.msr, rdmsr or wrmsr
  Halt,             //
  Shutdown,         // triple fault
  InterruptWindow,  // an interrupt can be given now
  Tpr,              // CR8 was written; run.cr8
  Software,         // this instruction is the software engine's; the state is that before it
  Failed,           // the vCPU can't go on
};

struct Exit {
  ExitKind kind;
  std::string_view name;  // of the kernel's reason, for counters and messages
};

// result: of KVM_RUN, a negative errno or 0.
Exit decode_exit(int result, const kvm_run& run);

}  // namespace tandem::hwassist::kvm
