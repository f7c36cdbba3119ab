// tandem probe: what this host can do.
#include <unistd.h>

#include <thread>

#include "core/cpu/cpuid_models.h"
#include "core/semantics/host/thunk.h"
#include "tools/tandem/commands.h"
#include "tools/tandem/engines.h"
#include "tools/tandem/report.h"

namespace tandem::tools {

int probe_command(Arguments arguments) {
  if (!arguments.empty()) return say(fmt::format("probe: {}: takes no arguments", arguments[0])), kUsage;
  auto choice = choose_engine({});
  if (!choice) return fail(choice.error());
  const cpu::CpuModel best = cpu::default_cpu_model();
  const std::string obstacle = kvm_obstacle();
  const u64 pages = static_cast<u64>(sysconf(_SC_PHYS_PAGES));
  fmt::print("processors   {}\n", std::thread::hardware_concurrency());
  fmt::print("memory       {} MiB\n", pages * kPageSize / MiB);
  fmt::print("cpu model    {} (the best for guests here)\n", best.name);
  fmt::print("vectors      AVX {}, AVX-512 {}\n", semantics::host_has_avx() ? "yes" : "no",
             semantics::host_has_avx512() ? "yes" : "no");
  fmt::print("kvm          {}\n",
             obstacle.empty() ? "/dev/kvm can be opened; this build does not use it" : obstacle);
  fmt::print("engine       auto takes {}: {}\n", choice.value().name, choice.value().reason);
  return kOk;
}

}  // namespace tandem::tools
