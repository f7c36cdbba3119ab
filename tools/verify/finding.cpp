#include "tools/verify/finding.h"

#include <fmt/format.h>

#include <optional>

#include "tools/verify/sinks.h"

namespace tandem::verify {

using cpu::CpuState;
using cpu::StopReason;

namespace {

std::string_view text_of(StopReason why) {
  switch (why) {
    case StopReason::Halted: return "it halted";
    case StopReason::TripleFault: return "it shut down";
    case StopReason::HostError: return "it could not go on";
    case StopReason::DebugTrap: return "it met a breakpoint";
    case StopReason::Kicked:
    case StopReason::BudgetSpent: return "it went no further";
  }
  return "";
}

bool run_all(cpu::Vcpu& vcpu, u64 instructions, cpu::ExitSink& sink) {
  if (instructions == 0) return true;
  return vcpu.run({.instructions = instructions}, sink).retired == instructions;
}

// Do they differ after so many instructions when both do them anew, with a stop on the way? A stop inside a
// block has what is before it interpreted, and the rest becomes a block of its own.
bool differ_again(const Finding& f, const Witnesses& w, unsigned instructions, u64 stop) {
  Excursion e = w.explorer.explore(w.stepper, f.start, w.machine, instructions, w.alone);
  e.undefined |= w.explorer.dead_flags(e.end);
  const Pages written = w.view.written();
  w.view.reset();
  NoDevices sink(w.machine);
  CpuState end;
  if (!w.again.import_state(f.start)) return false;
  w.again.flush_translations();
  if (!run_all(w.again, stop, sink) || !run_all(w.again, e.done - stop, sink) || sink.asked()) return true;
  if (!w.again.export_state(end)) return false;
  return !compare(e, written, f.start, end, w.view.memory()).equal();
}

struct Guilt {
  u64 seen_after;   // instructions
  u64 instruction;  // the last one that must be a part of it, from 1 on
};

// Nothing: it does not show again.
std::optional<Guilt> guilt_of(const Finding& f, const Witnesses& w) {
  for (unsigned n = 1; n <= f.excursion.done; ++n) {
    if (!differ_again(f, w, n, 0)) continue;
    u64 stop = n - 1;
    while (stop > 0 && !differ_again(f, w, n, stop)) --stop;
    return Guilt{n, stop + 1};
  }
  return {};
}

std::string listing(const Finding& f, const Witnesses& w, u64 guilty) {
  std::string out;
  u64 number = 0;
  w.explorer.explore(w.stepper, f.start, w.machine, f.excursion.done, w.alone,
                     [&](const CpuState& before, std::span<const u8> bytes) {
                       ++number;
                       out += fmt::format("{} {:4}  {}\n", number == guilty ? '>' : ' ', number,
                                          states::disassemble(before, bytes));
                     });
  return out;
}

}  // namespace

std::string describe(const Finding& f, const Witnesses& w) {
  std::string out =
      fmt::format("verify: {} and {} differ after {} instructions on vCPU {} (sample {}, seed {})\n",
                  f.engine, w.stepper.name(), f.excursion.done, raw(f.vcpu), f.number, f.seed);
  if (f.sample.done != f.excursion.done)
    out += fmt::format("  {} did {} of them: {}\n", f.engine, f.sample.done, text_of(f.sample.why));
  if (f.sample.asked) out += fmt::format("  {} reached for a device or the time\n", f.engine);
  const std::optional<Guilt> guilt = guilt_of(f, w);
  out += guilt ? fmt::format("done anew, they differ after {}, by instruction {}\n", guilt->seen_after,
                             guilt->instruction)
               : "done anew, they do not differ: what was there before matters\n";
  out += listing(f, w, guilt ? guilt->instruction : 0);
  out += fmt::format("state before:\n{}", states::text_of(f.start));
  out += fmt::format("differences: {} | {}\n", w.stepper.name(), f.engine);
  out += states::text_of(f.comparison.fields, &f.start);
  return out + states::text_of(f.comparison.memory, f.comparison.words);
}

}  // namespace tandem::verify
