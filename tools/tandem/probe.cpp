// tandem probe: what this host can do.
#include <unistd.h>

#include <thread>
#include <utility>

#include "core/cpu/cpuid_models.h"
#include "core/semantics/host/thunk.h"
#include "tools/tandem/commands.h"
#include "tools/tandem/engines.h"
#include "tools/tandem/report.h"

namespace tandem::tools {

namespace {

void print_kvm(const hwassist::Findings& findings) {
  if (!findings.obstacle.empty()) return fmt::print("kvm          {}\n", findings.obstacle);
  std::string_view title = "kvm";
  for (unsigned i = 0; i < hwassist::kCodeModes; ++i) {
    if (hwassist::CodeMode{static_cast<u8>(i)} == hwassist::CodeMode::Smm) continue;
    const hwassist::ModeFinding& m = findings.modes[i];
    fmt::print(
        "{:<12} {:<9} {}\n", std::exchange(title, ""), hwassist::kCodeModeNames[i],
        !m.runs ? "does not run" : fmt::format("{:.2f} ns an instruction{}", m.ns, m.sse ? "" : ", no SSE"));
  }
  fmt::print("{:<12} tsc       {}\n", "", findings.shifts_tsc ? "can be shifted" : "is the host's");
}

}  // namespace

int probe_command(Arguments arguments) {
  if (!arguments.empty()) return say(fmt::format("probe: {}: takes no arguments", arguments[0])), kUsage;
  EngineMaker maker;
  auto choice = maker.choose({});
  if (!choice) return fail(choice.error());
  const cpu::CpuModel best = cpu::default_cpu_model();
  const u64 pages = static_cast<u64>(sysconf(_SC_PHYS_PAGES));
  fmt::print("processors   {}\n", std::thread::hardware_concurrency());
  fmt::print("memory       {} MiB\n", pages * kPageSize / MiB);
  fmt::print("cpu model    {} (the best for guests here)\n", best.name);
  fmt::print("vectors      AVX {}, AVX-512 {}\n", semantics::host_has_avx() ? "yes" : "no",
             semantics::host_has_avx512() ? "yes" : "no");
  print_kvm(maker.kvm());
  fmt::print("engine       auto takes {}: {}\n", choice.value().name, choice.value().reason);
  return kOk;
}

}  // namespace tandem::tools
