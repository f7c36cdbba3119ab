// What a host thread needs to run translated code, where RSP is the guest's and GS leads to its memory.
#pragma once

#include "core/base/types.h"

namespace tandem::jit {

// Gives the calling thread a stack for signal handlers. Cheap when nothing is to be done.
void prepare_host_thread();
// GS.base = base. Cheap where it is that already.
void set_window_base(u64 base);

}  // namespace tandem::jit
