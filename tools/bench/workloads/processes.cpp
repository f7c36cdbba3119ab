// Processes: made by fork, and by vfork with exec of this program; each ends at once and is waited for.
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

int status_of(pid_t child) {
  int status = 0;
  require(child > 0 && waitpid(child, &status, 0) == child, "a child");
  return status;
}

class Fork {
 public:
  void once() {
    const pid_t child = fork();
    if (child == 0) _exit(7);
    status_ = status_of(child);
  }
  u64 checksum() const { return static_cast<u64>(WEXITSTATUS(status_)); }

 private:
  int status_ = 0;
};

class VforkExec {
 public:
  void once() {
    const pid_t child = vfork();
    if (child == 0) {
      execl("/proc/self/exe", "workloads", "--exit", nullptr);
      _exit(7);
    }
    status_ = status_of(child);
  }
  u64 checksum() const { return static_cast<u64>(status_); }

 private:
  int status_ = -1;
};

}  // namespace

Workload fork_wait() { return make_workload<Fork>("fork-wait", "system"); }
Workload vfork_exec() { return make_workload<VforkExec>("vfork-exec", "system"); }

}  // namespace tandem::bench
