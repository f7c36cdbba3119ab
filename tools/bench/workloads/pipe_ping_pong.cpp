// A byte to another process and back, through two pipes: two switches of context.
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

using Pipe = std::array<int, 2>;

Pipe make_pipe() {
  Pipe p;
  require(pipe(p.data()) == 0, "pipe");
  return p;
}

[[noreturn]] void answer(int from, int to) {
  u8 byte = 0;
  while (read(from, &byte, 1) == 1) {
    ++byte;
    if (write(to, &byte, 1) != 1) break;
  }
  _exit(0);
}

class PingPong {
 public:
  PingPong() {
    const Pipe there = make_pipe(), back = make_pipe();
    child_ = fork();
    require(child_ >= 0, "fork");
    if (child_ == 0) {
      close(there[1]);
      answer(there[0], back[1]);
    }
    close(there[0]);
    close(back[1]);
    to_ = there[1];
    from_ = back[0];
  }
  ~PingPong() {
    close(to_);  // the child reads the end
    close(from_);
    waitpid(child_, nullptr, 0);
  }
  PingPong(const PingPong&) = delete;
  PingPong& operator=(const PingPong&) = delete;

  void once() {
    byte_ = 41;
    require(write(to_, &byte_, 1) == 1 && read(from_, &byte_, 1) == 1, "ping-pong");
  }
  u64 checksum() const { return byte_; }

 private:
  pid_t child_;
  int to_, from_;
  u8 byte_ = 0;
};

}  // namespace

Workload pipe_ping_pong() { return make_workload<PingPong>("pipe-ping-pong", "system"); }

}  // namespace tandem::bench
