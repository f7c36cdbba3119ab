// fib(20) by recursion: near calls and returns, 20 deep.
#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

// Without the attribute every second call would become a loop.
[[gnu::noinline, clang::disable_tail_calls]] u64 fibonacci(u64 n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

class Fib {
 public:
  void once() { result_ = fibonacci(argument_); }
  u64 checksum() const { return result_; }

 private:
  u64 argument_ = 20;
  u64 result_ = 0;
};

}  // namespace

Workload fib() { return make_workload<Fib>("fib", "control"); }

}  // namespace tandem::bench
