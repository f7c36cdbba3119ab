// 32 by 32 points, at most 100 steps each: scalar double, a comparison and a jump a step.
#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

int steps_at(double real, double imaginary) {
  double x = 0, y = 0;
  int steps = 0;
  while (steps < 100 && x * x + y * y < 4) {
    const double next = x * x - y * y + real;
    y = 2 * x * y + imaginary;
    x = next;
    ++steps;
  }
  return steps;
}

class Mandelbrot {
 public:
  void once() {
    u64 sum = 0;
    for (int row = 0; row < 32; ++row)
      for (int column = 0; column < 32; ++column)
        sum = sum * 7 + static_cast<u64>(steps_at(left_ + column / 12.0, row / 13.0 - 1.2));
    sum_ = sum;
  }
  u64 checksum() const { return sum_; }

 private:
  double left_ = -2;
  u64 sum_ = 0;
};

}  // namespace

Workload mandelbrot() { return make_workload<Mandelbrot>("mandelbrot", "fp"); }

}  // namespace tandem::bench
