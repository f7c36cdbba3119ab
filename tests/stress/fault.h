// Faults as values: runs one instruction sequence whose fault a handler turns into a number. Nothing but
// registers carries it: R15 says where to go on, R14 gets what happened.
#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <initializer_list>

#include "tests/stress/stress.h"

namespace tandem::stress {

// Notes signal, code, trap number and error code. Single steps end here.
inline void skip_fault(int number, siginfo_t* info, void* context) {
  auto& r = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  r[REG_R14] = number | (info->si_code & 0xff) << 8 | static_cast<greg_t>(r[REG_TRAPNO]) << 16 |
               static_cast<greg_t>(r[REG_ERR]) << 32;
  r[REG_RIP] = r[REG_R15];
  r[REG_EFL] &= ~0x100;
}

inline void on_signals(std::initializer_list<int> numbers, void (*handler)(int, siginfo_t*, void*),
                       int flags = 0) {
  for (const int number : numbers) {
    struct sigaction action{};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    require(sigaction(number, &action, nullptr) == 0, "sigaction");
  }
}

}  // namespace tandem::stress
