#include "tools/lockstep/report.h"

#include <fmt/format.h>

namespace tandem::lockstep {

Result<std::string> describe(Lockstep& machines, const Verdict& verdict) {
  if (!verdict.finding)
    return fmt::format("no difference in {} instructions{}\n", verdict.instructions,
                       verdict.end.empty() ? "" : "; the guest ended: " + verdict.end);
  const Finding& f = *verdict.finding;
  std::string out = fmt::format("{} and {} differ from instruction {}, seen after {}\n",
                                machines.spec(0).name, machines.spec(1).name, f.instruction, f.seen_at);
  for (const Change& c : f.difference.fields)
    out += fmt::format("  {}: {} | {}\n", c.name, c.first, c.second);
  for (const Change& c : f.difference.surroundings)
    out += fmt::format("  {}: {} | {}\n", c.name, c.first, c.second);
  for (const MemoryChange& c : f.difference.memory)
    out += fmt::format("  [{:#x}]: {:016x} | {:016x}\n", raw(c.address), c.first, c.second);
  return out;
}

}  // namespace tandem::lockstep
