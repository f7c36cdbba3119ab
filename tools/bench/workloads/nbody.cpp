// Five bodies, 64 steps of time: scalar double with square roots and divisions.
#include <array>
#include <cmath>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

struct Body {
  std::array<double, 3> position;
  std::array<double, 3> velocity;
  double mass;
};
using Bodies = std::array<Body, 5>;

double unit(Random& random) { return static_cast<double>(random.below(1 << 20)) / (1 << 20); }

void attract(Body& a, Body& b, double time) {
  std::array<double, 3> apart;
  double square = 0.01;  // softened: nothing becomes infinite where two meet
  for (std::size_t i = 0; i < 3; ++i) {
    apart[i] = a.position[i] - b.position[i];
    square += apart[i] * apart[i];
  }
  const double force = time / (square * std::sqrt(square));
  for (std::size_t i = 0; i < 3; ++i) {
    a.velocity[i] -= apart[i] * b.mass * force;
    b.velocity[i] += apart[i] * a.mass * force;
  }
}

void step(Bodies& bodies, double time) {
  for (std::size_t i = 0; i < bodies.size(); ++i)
    for (std::size_t j = i + 1; j < bodies.size(); ++j) attract(bodies[i], bodies[j], time);
  for (Body& b : bodies)
    for (std::size_t i = 0; i < 3; ++i) b.position[i] += time * b.velocity[i];
}

class Nbody {
 public:
  Nbody() {
    Random random;
    for (Body& b : start_)
      b = {{unit(random), unit(random), unit(random)},
           {unit(random), unit(random), unit(random)},
           unit(random)};
  }
  void once() {
    bodies_ = start_;
    for (int i = 0; i < 64; ++i) step(bodies_, 0.01);
  }
  u64 checksum() const {
    u64 sum = 0;
    for (const Body& b : bodies_) sum = sum * 31 + hash(std::span<const double>(b.position));
    return sum;
  }

 private:
  Bodies start_, bodies_{};
};

}  // namespace

Workload nbody() { return make_workload<Nbody>("nbody", "fp"); }

}  // namespace tandem::bench
