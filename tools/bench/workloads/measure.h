// Times a workload.
#pragma once

#include <optional>

#include "tools/bench/workloads/workload.h"

namespace tandem::bench {

struct Plan {
  u64 pass_ns = 150'000'000;  // a pass lasts at least this; 0: one iteration, one pass
  int passes = 3;             // the best one counts
};

struct Outcome {
  u64 iterations;  // of a pass
  double ns;       // of an iteration
  u64 checksum;
};

u64 monotonic_ns();
// A line that says where results begin or end in a console's output, and what this system's clock says.
void print_mark(const char* what);

// Nothing where an iteration's checksum differs from the first one's.
std::optional<Outcome> measure(const Workload& workload, const Plan& plan);

}  // namespace tandem::bench
