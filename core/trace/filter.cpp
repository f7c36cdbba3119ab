#include <fmt/format.h>

#include <algorithm>

#include "core/base/numbers.h"
#include "core/config/nearest.h"
#include "core/trace/trace.h"

namespace tandem::trace {

namespace {

Error unknown(std::string_view name) {
  std::vector<std::string_view> names;
  for (const PointInfo& p : points()) names.push_back(p.name);
  const std::string_view near = config::nearest(name, names);
  return user_error(
      fmt::format("{}: no trace point{}", name, near.empty() ? "" : fmt::format(" (is {} meant?)", near)));
}

// A piece up to a comma outside brackets.
std::string_view take_item(std::string_view& text) {
  bool inside = false;
  std::size_t end = 0;
  for (; end < text.size() && (inside || text[end] != ','); ++end)
    if (text[end] == '[' || text[end] == ']') inside = text[end] == '[';
  const std::string_view item = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return item;
}

}  // namespace

Result<Filter> Filter::parse(std::string_view text) {
  Filter filter;
  while (!text.empty()) {
    const std::string_view item = take_item(text);
    const std::size_t bracket = item.find('[');
    const std::string_view name = item.substr(0, bracket);
    std::string_view conditions = bracket == std::string_view::npos ? "" : item.substr(bracket + 1);
    if (bracket != std::string_view::npos) {
      if (!conditions.ends_with(']')) return user_error(fmt::format("{}: a ] is missing", item));
      conditions.remove_suffix(1);
    }
    const bool all = name.ends_with('*');
    bool found = false;
    for (std::size_t p = 0; p < kPoints; ++p) {
      const PointInfo& info = points()[p];
      if (all ? !info.name.starts_with(name.substr(0, name.size() - 1)) : info.name != name) continue;
      found = true;
      Rule rule;
      for (std::string_view left = conditions; !left.empty();) {
        const std::string_view one = take_item(left);
        const std::size_t equals = one.find('=');
        const auto which = std::ranges::find(info.values, one.substr(0, equals));
        const std::string_view range = equals == std::string_view::npos ? "" : one.substr(equals + 1);
        const std::size_t dash = range.find('-');
        const auto first = parse_number(range.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : parse_number(range.substr(dash + 1));
        if (which == info.values.end() || !first || !last)
          return user_error(fmt::format("{}: '{}' is not value=N or value=N-N; {} has {}", item, one,
                                        info.name, fmt::join(info.values, ", ")));
        rule.push_back({static_cast<std::size_t>(which - info.values.begin()), *first, *last});
      }
      filter.rules_[p].push_back(std::move(rule));
    }
    if (!found) return unknown(name);
  }
  return filter;
}

bool Filter::takes(const Record& r) const {
  return std::ranges::any_of(rules_[r.point], [&](const Rule& rule) {
    return std::ranges::all_of(rule, [&](const Condition& c) {
      return r.values[c.value] >= c.first && r.values[c.value] <= c.last;
    });
  });
}

}  // namespace tandem::trace
