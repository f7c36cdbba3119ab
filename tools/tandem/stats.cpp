#include "tools/tandem/stats.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace tandem::tools {

namespace {

std::string to_json(const machine::Machine& machine, const std::map<std::string, u64>& counters,
                    const RunFigures& figures) {
  const u64 retired = machine.retired();
  std::string out = "{\n";
  out += fmt::format("  \"engine\": \"{}\",\n  \"seconds\": {:.3f},\n", figures.engine, figures.seconds);
  out += fmt::format("  \"retired\": {{ \"{}\": {} }},\n", figures.engine, retired);
  out += fmt::format("  \"million_per_second\": {:.1f},\n",
                     figures.seconds > 0 ? static_cast<double>(retired) / figures.seconds / 1e6 : 0);
  out += "  \"counters\": {";
  const char* separator = "\n";
  for (const auto& [name, value] : counters) {
    out += fmt::format("{}    \"{}\": {}", separator, name, value);
    separator = ",\n";
  }
  return out + (counters.empty() ? " }\n}\n" : "\n  }\n}\n");
}

}  // namespace

Result<void> write_stats(const std::string& destination, const machine::Machine& machine,
                         const std::map<std::string, u64>& counters, const RunFigures& figures) {
  const std::string json = to_json(machine, counters, figures);
  if (destination == "-") {
    fmt::print(stderr, "{}", json);
    return {};
  }
  std::ofstream out(destination);
  if (!(out << json).flush())
    return user_error(fmt::format("stats: {}: {}", destination, std::strerror(errno)));
  return {};
}

}  // namespace tandem::tools
