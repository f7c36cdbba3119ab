#include "tools/bench/workloads/measure.h"

#include <sys/utsname.h>
#include <time.h>

#include <algorithm>
#include <cstdio>

namespace tandem::bench {

namespace {

u64 time_pass(Job& job, u64 iterations) {
  const u64 start = monotonic_ns();
  job.repeat(iterations);
  return std::max<u64>(monotonic_ns() - start, 1);
}

// Aims a fifth above the wanted time; a short pass says little, so no growth beyond 16 times.
u64 grown(u64 iterations, u64 taken, u64 wanted) {
  const double factor = 1.2 * static_cast<double>(wanted) / static_cast<double>(taken);
  return static_cast<u64>(static_cast<double>(iterations) * std::clamp(factor, 2.0, 16.0));
}

}  // namespace

u64 monotonic_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<u64>(t.tv_sec) * 1'000'000'000 + static_cast<u64>(t.tv_nsec);
}

void print_mark(const char* what) {
  utsname system{};
  uname(&system);
  std::printf("bench:%s %llu %s\n", what, static_cast<unsigned long long>(monotonic_ns()), system.release);
}

std::optional<Outcome> measure(const Workload& workload, const Plan& plan) {
  const std::unique_ptr<Job> job = workload.start();
  u64 iterations = 1;
  u64 best = time_pass(*job, iterations);
  const u64 first = job->checksum();
  while (best < plan.pass_ns) {
    iterations = grown(iterations, best, plan.pass_ns);
    best = time_pass(*job, iterations);
  }
  for (int pass = 1; pass < plan.passes; ++pass) best = std::min(best, time_pass(*job, iterations));
  if (job->checksum() != first) return std::nullopt;
  return Outcome{iterations, static_cast<double>(best) / static_cast<double>(iterations), first};
}

}  // namespace tandem::bench
