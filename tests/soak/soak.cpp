// Boots a guest again and again in one process, under the JIT, and fails where the process grows.
//   soak ROUNDS GUEST.cfg [OPTIONS of tandem run]
// A round is a machine that boots, and boots once more behind a restart. What the options are for has to
// happen in each: a small code cache has to fill, tier 2 that is to compile at once (llvm=now) to compile.
#include <fmt/format.h>
#include <malloc.h>

#include <cstdlib>
#include <map>
#include <span>

#include "core/config/command_line.h"
#include "jit/jit_engine.h"
#include "tests/soak/usage.h"
#include "tests/support/capture_backend.h"
#include "tools/tandem/guest.h"

namespace tandem::tests {

namespace {

// Some work in user mode, and the proof that it was done.
constexpr std::string_view kWork = "dd if=/dev/zero bs=1M count=64 2>/dev/null | md5sum";
constexpr std::string_view kResult = "7f614da9329cd3aebf59b91aadc30bf0";

using Kind = machine::RunOutcome::Kind;
using Figures = std::map<std::string, u64>;

Result<void> boot(devices::Pc& pc, const Transcript& transcript) {
  const std::size_t before = transcript.text().size();
  TANDEM_TRY_ASSIGN(outcome, pc.run());
  const std::string text = transcript.text().substr(before);
  if (outcome.kind != Kind::PowerOff || text.find(kResult) == text.npos)
    return host_error("the guest did not reach its end:\n" + text);
  return {};
}

Result<Figures> round(config::Settings settings, const jit::JitOptions& options) {
  settings.serial.clear();
  // Linux gives up where a host that is busy with other things brings too few timer interrupts in 40 ms; and
  // what panics is to end.
  settings.cmdline = fmt::format("console=ttyS0 quiet no_timer_check panic=-1 run=\"{}\"", kWork);
  TANDEM_TRY_ASSIGN(guest, tools::make_guest(settings, {}));
  const auto transcript = std::make_shared<Transcript>();
  guest->config.model = &guest->model;
  guest->config.serials[0] = std::make_unique<CaptureBackend>(transcript);
  const auto engine = jit::make_jit_engine(options);
  TANDEM_TRY_ASSIGN(pc, devices::Pc::create(std::move(guest->config), *engine));
  TANDEM_TRY(boot(*pc, *transcript));
  TANDEM_TRY(pc->reboot());
  TANDEM_TRY(boot(*pc, *transcript));
  return pc->machine().statistics();
}

Result<void> has_done_its_work(const jit::JitOptions& options, Figures& figures) {
  constexpr u64 kRestarts = 1;  // each empties the cache
  if (options.cache_bytes < jit::JitOptions{}.cache_bytes && figures["jit.generations"] <= kRestarts)
    return host_error("the code cache was never full");
  if (options.llvm_now && figures["jit.llvm.regions"] == 0) return host_error("tier 2 compiled nothing");
  return {};
}

Result<bool> run(std::span<const char* const> arguments, int rounds) {
  TANDEM_TRY_ASSIGN(line, config::parse_command_line(arguments));
  TANDEM_TRY_ASSIGN(options, jit::parse_options(line.settings.jit));
  UsageLog log;
  u64 regions = 0;
  for (int i = 0; i < rounds; ++i) {
    TANDEM_TRY_ASSIGN(figures, round(line.settings, options));
    regions += figures["jit.llvm.regions"];
    log.end_round(
        fmt::format(" (generations {}, regions {})", figures["jit.generations"], figures["jit.llvm.regions"]),
        regions != 0 || !options.llvm);
    TANDEM_TRY(has_done_its_work(options, figures));
  }
  return !log.has_grown();
}

}  // namespace

}  // namespace tandem::tests

int main(int count, char** arguments) {
  using namespace tandem::tests;
  const int rounds = count >= 3 ? std::atoi(arguments[1]) : 0;
  if (rounds <= kWarmUp)
    return fmt::print(stderr, "usage: soak ROUNDS GUEST.cfg [OPTIONS], more than {} rounds\n", kWarmUp), 2;
  mallopt(M_ARENA_MAX, 1);  // else the number of arenas depends on which threads met
  const auto holds = run(std::span(arguments, static_cast<std::size_t>(count)).subspan(2), rounds);
  if (!holds) return fmt::print("{}\n", holds.error().message), 1;
  return holds.value() ? 0 : 1;
}
