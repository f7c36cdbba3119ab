// workloads [--ms N | --once] [--marks] [NAME...]: runs the named workloads, or all, and prints for each
//   NAME ITERATIONS NANOSECONDS CHECKSUM     NANOSECONDS of one iteration
//   NAME skipped                             the processor lacks what it needs
// --list prints the names and their classes; --marks surrounds the results by what shows where they are in a
// console's output and what this system's clock says.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include "tools/bench/workloads/measure.h"
#include "tools/bench/workloads/registry.h"

namespace tandem::bench {

namespace {

struct Options {
  Plan plan;
  bool list = false;
  bool marks = false;
  std::vector<std::string_view> names;
};

int print_list() {
  for (const Workload& w : all_workloads()) std::printf("%s %s\n", w.name.data(), w.group.data());
  return 0;
}

bool parse(std::span<char*> arguments, Options& options) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view a = arguments[i];
    if (a == "--ms" && i + 1 < arguments.size()) {
      options.plan.pass_ns = std::strtoull(arguments[++i], nullptr, 10) * 1'000'000;
    } else if (a == "--once") {
      options.plan = {.pass_ns = 0, .passes = 1};
    } else if (a == "--list") {
      options.list = true;
    } else if (a == "--marks") {
      options.marks = true;
    } else if (a.starts_with("-")) {
      return std::fprintf(stderr, "workloads: option %s is unknown\n", arguments[i]), false;
    } else {
      options.names.push_back(a);
    }
  }
  return true;
}

bool select(const Options& options, std::vector<Workload>& selected) {
  const std::vector<Workload> all = all_workloads();
  if (options.names.empty()) return selected = all, true;
  for (std::string_view name : options.names) {
    const auto found = std::ranges::find(all, name, &Workload::name);
    if (found == all.end())
      return std::fprintf(stderr, "workloads: %.*s is unknown\n", static_cast<int>(name.size()), name.data()),
             false;
    selected.push_back(*found);
  }
  return true;
}

bool run(const Workload& workload, const Plan& plan) {
  if (!workload.available()) return std::printf("%s skipped\n", workload.name.data()), true;
  const auto outcome = measure(workload, plan);
  if (!outcome) return std::printf("%s unstable\n", workload.name.data()), false;
  std::printf("%s %llu %.2f %016llx\n", workload.name.data(),
              static_cast<unsigned long long>(outcome->iterations), outcome->ns,
              static_cast<unsigned long long>(outcome->checksum));
  return true;
}

int run_all(const Options& options) {
  std::vector<Workload> selected;
  if (!select(options, selected)) return 2;
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  if (options.marks) print_mark("begin");
  bool good = true;
  for (const Workload& w : selected) good = run(w, options.plan) && good;
  if (options.marks) print_mark("end");
  return good ? 0 : 1;
}

int main_of(std::span<char*> arguments) {
  if (arguments.size() == 1 && std::string_view(arguments[0]) == "--exit") return 0;  // vfork_exec
  Options options;
  if (!parse(arguments, options)) return 2;
  return options.list ? print_list() : run_all(options);
}

}  // namespace

}  // namespace tandem::bench

int main(int count, char** arguments) {
  return tandem::bench::main_of(std::span(arguments, static_cast<std::size_t>(count)).subspan(1));
}
