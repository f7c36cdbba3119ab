// Signals are for the threads that wait for them: every thread of a device or a back end calls this first.
// One whose writes meet a closed socket or pipe is spared SIGPIPE, too.
#pragma once

#include <signal.h>

namespace tandem::devices {

inline void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace tandem::devices
