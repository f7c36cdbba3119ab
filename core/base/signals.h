// Signals are for the threads that wait for them: every thread of a device, a back end or an engine calls
// this first. One whose writes meet a closed socket or pipe is spared SIGPIPE, too.
#pragma once

#include <signal.h>

namespace tandem {

inline void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace tandem
