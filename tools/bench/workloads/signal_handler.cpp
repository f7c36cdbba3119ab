// A signal to oneself: its frame, its handler, the return from it.
#include <signal.h>
#include <unistd.h>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

// The signal carries where to leave that it came.
void handle(int, siginfo_t* info, void*) { *static_cast<volatile u64*>(info->si_value.sival_ptr) = 1; }

class Signal {
 public:
  Signal() {
    struct sigaction action{};
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO;
    require(sigaction(SIGUSR1, &action, nullptr) == 0, "sigaction");
  }
  void once() {
    came_ = 0;
    sigval value{};
    value.sival_ptr = const_cast<u64*>(&came_);
    require(sigqueue(self_, SIGUSR1, value) == 0, "sigqueue");
  }
  u64 checksum() const { return came_; }

 private:
  pid_t self_ = getpid();
  volatile u64 came_ = 0;
};

}  // namespace

Workload signal_handler() { return make_workload<Signal>("signal", "system"); }

}  // namespace tandem::bench
