// lockstep: a guest on the interpreter and on the JIT, instruction by instruction the same?
#include <fmt/format.h>

#include <cstdlib>
#include <span>

#include "core/config/command_line.h"
#include "core/interp/interp_engine.h"
#include "jit/jit_engine.h"
#include "tools/lockstep/lockstep.h"
#include "tools/lockstep/report.h"
#include "tools/tandem/report.h"

namespace tandem::lockstep {

namespace {

constexpr int kDifferent = 1;
constexpr std::string_view kHelp =
    "lockstep [OPTION]... GUEST.cfg [--key value]...\n\n"
    "  --instructions N  how many to run; default: 200000000\n"
    "  --step N          CPU states are compared after so many; default: 100000\n"
    "  --memory-step N   memory, devices and output after so many; default: 2000000\n"
    "  --lazy-flags      translate as usual: flags that only a fault would show may differ\n"
    "  --jit LIST        as of tandem run, with exact_count; default: base,threshold=0\n"
    "  --key value       settings of the guest, as of tandem run\n\n"
    "Status: 0 no difference, 1 a difference, 2 usage, 3 the host refused something.\n";

struct Request {
  Options options;
  std::string jit = "base,threshold=0";
  bool help = false;
  std::vector<const char*> guest;  // arguments for the guest's settings
};

Result<Request> parse(std::span<const char* const> arguments) {
  Request r;
  const std::pair<std::string_view, u64*> numbers[] = {{"--instructions", &r.options.instructions},
                                                       {"--step", &r.options.step},
                                                       {"--memory-step", &r.options.memory_step}};
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view a = arguments[i];
    u64* number = nullptr;
    for (const auto& [name, value] : numbers)
      if (a == name) number = value;
    if (a == "--lazy-flags") {
      r.options.lazy_flags = true;
    } else if (a == "--help" || a == "-h") {
      r.help = true;
    } else if (a == "--jit" && i + 1 < arguments.size()) {
      r.jit += fmt::format(",{}", arguments[++i]);
    } else if (!number) {
      r.guest.push_back(arguments[i]);
    } else {
      if (i + 1 == arguments.size()) return user_error(fmt::format("{}: a value is missing", a));
      char* end = nullptr;
      const char* text = arguments[++i];
      *number = std::strtoull(text, &end, 0);
      if (end == text || *end || *number == 0)
        return user_error(fmt::format("{}: '{}' is no number for it", a, text));
    }
  }
  return r;
}

Result<config::Settings> guest_settings(const Request& request) {
  TANDEM_TRY_ASSIGN(line, config::parse_command_line(request.guest));
  config::Settings& s = line.settings;
  if (s.vcpus != 1) return user_error("vcpus: lock step is for one");
  s.serial.clear();
  s.expect.clear();
  return std::move(s);
}

int run(std::span<const char* const> arguments) {
  auto request = parse(arguments);
  if (!request) return tools::fail(request.error());
  Request& r = request.value();
  if (r.help || r.guest.empty()) {
    fmt::print(r.help ? stdout : stderr, "{}", kHelp);
    return r.help ? tools::kOk : tools::kUsage;
  }
  auto settings = guest_settings(r);
  if (!settings) return tools::fail(settings.error());
  auto jit = jit::parse_options(r.jit);
  if (!jit) return tools::fail(jit.error());
  jit.value().exact_flags = !r.options.lazy_flags;
  jit.value().exact_count = true;
  Lockstep machines(
      {"interp", interp::make_interp_engine}, {"jit", [&] { return jit::make_jit_engine(jit.value()); }},
      [&] { return tools::make_guest(settings.value(), {}); }, r.options);
  auto verdict = machines.run();
  if (!verdict) return tools::fail(verdict.error());
  auto text = describe(machines, verdict.value());
  if (!text) return tools::fail(text.error());
  fmt::print("{}", text.value());
  return verdict.value().finding ? kDifferent : tools::kOk;
}

}  // namespace

}  // namespace tandem::lockstep

int main(int argc, char** argv) {
  return tandem::lockstep::run({argv + 1, static_cast<std::size_t>(argc - 1)});
}
