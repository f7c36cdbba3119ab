// What a host thread needs to run translated code, where RSP is the guest's and GS leads to the Context.
#pragma once

#include "core/base/types.h"

namespace tandem::jit {

// Gives the calling thread a stack for signal handlers and GS.base = base. Cheap when nothing is to be done.
void prepare_host_thread(u64 base);

}  // namespace tandem::jit
