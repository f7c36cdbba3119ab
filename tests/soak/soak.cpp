// Boots a guest again and again in one process, under the JIT, and fails where the process grows.
//   soak ROUNDS GUEST.cfg
// A round is a machine with one vCPU and a code cache that fills several times, which also restarts, and one
// with two.
#include <fmt/format.h>
#include <malloc.h>

#include <cstdlib>
#include <span>

#include "core/config/command_line.h"
#include "jit/jit_engine.h"
#include "tests/soak/usage.h"
#include "tests/support/capture_backend.h"
#include "tools/tandem/guest.h"

namespace tandem::tests {

namespace {

constexpr int kWarmUp = 3;  // rounds in which caches of the host's libraries fill
constexpr u64 kSmallCache = 2 * MiB;
constexpr std::string_view kMark = "soak-mark";

using Kind = machine::RunOutcome::Kind;

Result<void> boot(devices::Pc& pc, const Transcript& transcript) {
  const std::size_t before = transcript.text().size();
  TANDEM_TRY_ASSIGN(outcome, pc.run());
  const std::string text = transcript.text().substr(before);
  if (outcome.kind != Kind::PowerOff || text.find(fmt::format("\n{}", kMark)) == text.npos)
    return host_error("the guest did not reach its end:\n" + text);
  return {};
}

Result<void> machine(config::Settings settings, u32 vcpus, jit::JitOptions options, int boots) {
  settings.vcpus = vcpus;
  settings.serial.clear();
  settings.cmdline = fmt::format("console=ttyS0 quiet run=\"echo {}\"", kMark);
  TANDEM_TRY_ASSIGN(guest, tools::make_guest(settings, {}));
  const auto transcript = std::make_shared<Transcript>();
  guest->config.model = &guest->model;
  guest->config.serials[0] = std::make_unique<CaptureBackend>(transcript);
  const auto engine = jit::make_jit_engine(options);
  TANDEM_TRY_ASSIGN(pc, devices::Pc::create(std::move(guest->config), *engine));
  TANDEM_TRY(boot(*pc, *transcript));
  for (int i = 1; i < boots; ++i) {
    TANDEM_TRY(pc->reboot());
    TANDEM_TRY(boot(*pc, *transcript));
  }
  return {};
}

Result<void> round(const config::Settings& settings) {
  TANDEM_TRY(machine(settings, 1, {.cache_bytes = kSmallCache}, 2));
  return machine(settings, 2, {}, 1);
}

void print(int number, const Usage& usage) {
  fmt::print("round {}:", number);
  for (std::size_t i = 0; i < usage.size(); ++i) fmt::print(" {} {}", kResources[i].name, usage[i]);
  fmt::print("\n");
  std::fflush(stdout);
}

bool grown(const Usage& first, const Usage& last) {
  bool any = false;
  for (std::size_t i = 0; i < kResources.size(); ++i) {
    if (last[i] <= first[i] + kResources[i].slack) continue;
    fmt::print("{} grew from {} to {}\n", kResources[i].name, first[i], last[i]);
    any = true;
  }
  return any;
}

int run(std::span<char*> arguments) {
  const int rounds = arguments.size() == 3 ? std::atoi(arguments[1]) : 0;
  if (rounds <= kWarmUp)
    return fmt::print(stderr, "usage: soak ROUNDS GUEST.cfg, more than {} rounds\n", kWarmUp), 2;
  mallopt(M_ARENA_MAX, 1);  // else the number of arenas depends on which threads met
  auto line = config::parse_command_line({{arguments[2]}});
  if (!line) return fmt::print(stderr, "{}\n", line.error().message), 2;
  Usage first{};
  Usage last{};
  for (int i = 1; i <= rounds; ++i) {
    if (const auto done = round(line.value().settings); !done)
      return fmt::print("{}\n", done.error().message), 1;
    last = usage_now();
    print(i, last);
    if (i == kWarmUp) first = last;
  }
  return grown(first, last) ? 1 : 0;
}

}  // namespace

}  // namespace tandem::tests

int main(int count, char** arguments) {
  return tandem::tests::run(std::span(arguments, static_cast<std::size_t>(count)));
}
