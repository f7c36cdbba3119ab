#include "jit/base/options.h"

#include <fmt/format.h>

#include "core/base/numbers.h"

namespace tandem::jit {

namespace {

struct Switch {
  std::string_view name;
  bool JitOptions::* field;
};
constexpr Switch kSwitches[] = {
    {"base", &JitOptions::base},
    {"llvm", &JitOptions::llvm},
    {"links", &JitOptions::links},
    {"across", &JitOptions::across},
    {"memory", &JitOptions::memory},
    {"merge", &JitOptions::merge},
    {"vectors", &JitOptions::vectors},
    {"x87", &JitOptions::x87},
    {"exact_flags", &JitOptions::exact_flags},
    {"exact_count", &JitOptions::exact_count},
};
constexpr std::string_view kThreshold = "threshold=", kCache = "cache=", kHosted = "hosted=",
                           kStore = "store=";

bool set_switch(JitOptions& options, std::string_view name, bool on) {
  if (name == "hosted") return options.hosted.on = on, true;
  for (const Switch& s : kSwitches)
    if (s.name == name) return options.*s.field = on, true;
  return false;
}

bool set_cache(JitOptions& options, std::string_view digits) {
  constexpr u32 kMost = 1024;  // distances in code have 32 bits
  u32 mebibytes = 0;
  if (!parse_number(digits, mebibytes) || mebibytes == 0 || mebibytes > kMost) return false;
  options.cache_bytes = mebibytes * MiB;
  return true;
}

bool set_hosted(HostedOptions& options, std::string_view value) {
  if (value != "all") return parse_number(value, options.after);
  options = {.supervisor = true, .after = 0};
  return true;
}

bool apply(JitOptions& options, std::string_view item) {
  if (item == "all") return true;
  if (item == "llvm") return options.llvm = true;
  if (item == "base") return options.llvm = false, true;
  if (item == "llvm=now") return options.llvm_now = true;
  if (item.starts_with(kThreshold)) return parse_number(item.substr(kThreshold.size()), options.threshold);
  if (item.starts_with(kHosted)) return set_hosted(options.hosted, item.substr(kHosted.size()));
  if (item.starts_with(kStore)) return options.store = item.substr(kStore.size()), true;
  if (item.starts_with(kCache)) return set_cache(options, item.substr(kCache.size()));
  if (item.starts_with('+') || item.starts_with('-'))
    return set_switch(options, item.substr(1), item[0] == '+');
  return false;
}

}  // namespace

Result<JitOptions> parse_options(std::string_view list) {
  JitOptions options{.llvm = true};
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view item = list.substr(0, comma);
    if (!apply(options, item)) return user_error(fmt::format("jit: '{}' is no tier and no switch", item));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return options;
}

}  // namespace tandem::jit
