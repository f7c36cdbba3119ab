// stress [--seed N] [--scale PERCENT] [NAME...]: runs the named parts, or all, each in a process of its own,
// and prints
//   stress: NAME CHECKSUM
//   stress: done
// The same seed and scale give the same lines on every x86-64 machine with this processor's features.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/stress/stress.h"

namespace tandem::stress {

namespace {

constexpr unsigned kLimitSeconds = 120;

std::vector<Part> all_parts() {
  std::vector<Part> parts;
  for (const auto group : {compression_parts(), sorting_parts(), digest_parts(), float_parts(),
                           string_parts(), thread_parts(), litmus_parts(), atomic_parts(), signal_parts(),
                           timer_parts(), code_parts(), memory_parts(), process_parts(), compile_parts()})
    parts.insert(parts.end(), group.begin(), group.end());
  return parts;
}

[[noreturn]] void run_here(const Part& part, const Work& work) {
  alarm(kLimitSeconds);
  const u64 checksum = part.run(work);
  std::printf("stress: %s %016llx\n", part.name.data(), static_cast<unsigned long long>(checksum));
  std::fflush(stdout);
  _exit(0);
}

bool run(const Part& part, const Work& work) {
  const pid_t child = fork();
  if (child == 0) run_here(part, work);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) status = -1;
  if (status == 0) return true;
  std::printf("stress: %s ended with status %#x\n", part.name.data(), static_cast<unsigned>(status));
  return false;
}

int main_of(std::span<char*> arguments) {
  Work work{.seed = 1, .scale = 100, .self = arguments[0]};
  std::vector<std::string_view> names;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view a = arguments[i];
    if (a == "--child") return 42;  // process_parts
    if ((a == "--seed" || a == "--scale") && i + 1 < arguments.size())
      (a == "--seed" ? work.seed : work.scale) = std::strtoull(arguments[++i], nullptr, 0);
    else names.push_back(a);
  }
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  bool good = true;
  std::size_t count = 0;
  for (const Part& part : all_parts()) {
    if (!names.empty() && std::ranges::find(names, part.name) == names.end()) continue;
    good = run(part, work) && good;
    ++count;
  }
  if (count < names.size()) good = false;
  std::puts(good ? "stress: done" : "stress: failed");
  return good ? 0 : 1;
}

}  // namespace

}  // namespace tandem::stress

int main(int count, char** arguments) {
  return tandem::stress::main_of(std::span(arguments, static_cast<std::size_t>(count)));
}
