#include "tools/lockstep/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/lockstep/listing.h"

namespace tandem::lockstep {

namespace {

constexpr u64 kShownBefore = 8;

std::string differences(const Lockstep& machines, const Comparison& d, const cpu::CpuState* before) {
  std::string out = fmt::format("differences: {} | {}\n", machines.spec(0).name, machines.spec(1).name);
  out += states::text_of(d.fields, before);
  for (const Change& c : d.surroundings)
    out += fmt::format("  {}:\n    {}\n    {}\n", c.name, c.first, c.second);
  return out + states::text_of(d.memory, d.memory_words);
}

std::string heading(const Lockstep& machines, const Finding& f) {
  const std::string_view a = machines.spec(0).name, b = machines.spec(1).name;
  if (!f.repeats)
    return fmt::format("{} and {} differ after {} instructions, and do not when they are run again\n", a, b,
                       f.seen_at);
  if (!f.narrowed)
    return fmt::format("{} and {} differ after instruction {}, by what its block does as a whole\n", a, b,
                       f.seen_at);
  std::string out = fmt::format("{} and {} differ from instruction {}\n", a, b, f.instruction);
  if (f.seen_at != f.instruction)
    out += fmt::format("  compared after instruction {}, where its block ends\n", f.seen_at);
  return out;
}

}  // namespace

Result<std::string> describe(Lockstep& machines, const Verdict& verdict) {
  if (!verdict.finding)
    return fmt::format("no difference in {} instructions, of which {} were translated, {} by tier 2{}\n",
                       verdict.instructions, verdict.translated, verdict.by_tier_2,
                       verdict.end.empty() ? "" : "; the guest ended: " + verdict.end);
  const Finding& f = *verdict.finding;
  std::string out = heading(machines, f);
  if (!f.repeats) return out + differences(machines, f.difference, nullptr);
  const u64 first = f.instruction - std::min(f.instruction - machines.origin(), kShownBefore + 1);
  TANDEM_TRY_ASSIGN(side, machines.first_at(first));
  TANDEM_TRY_ASSIGN(executed, list(*side, f.seen_at));
  const cpu::CpuState* before = nullptr;
  for (const Executed& e : executed) {
    const bool guilty = e.number == f.instruction;
    if (guilty) before = &e.before;
    out += fmt::format("{} {:12}  {}\n", guilty ? '>' : ' ', e.number, e.text);
  }
  if (before) out += fmt::format("state before instruction {}:\n{}", f.instruction, states::text_of(*before));
  return out + differences(machines, f.difference, before);
}

}  // namespace tandem::lockstep
