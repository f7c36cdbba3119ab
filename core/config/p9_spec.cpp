#include "core/config/p9_spec.h"

#include <fmt/format.h>

#include <algorithm>

namespace tandem::config {

namespace {

constexpr std::size_t kLongestTag = 255;

}  // namespace

Result<P9Spec> parse_p9_spec(std::string_view text) {
  P9Spec spec;
  const auto wrong = [&](std::string_view why) { return user_error(fmt::format("p9: '{}': {}", text, why)); };
  for (std::string_view left = text; !left.empty();) {
    const std::size_t comma = std::min(left.find(','), left.size());
    std::string_view word = left.substr(0, comma);
    while (word.starts_with(' ')) word.remove_prefix(1);
    if (word.starts_with("tag=")) spec.tag = word.substr(4);
    else if (word.starts_with("path=")) spec.path = word.substr(5);
    else if (word == "readonly") spec.read_only = true;
    else return wrong(fmt::format("what is '{}'?", word));
    left.remove_prefix(std::min(comma + 1, left.size()));
  }
  if (spec.path.empty()) return wrong("path=FOLDER is missing");
  if (spec.tag.empty() || spec.tag.size() > kLongestTag) return wrong("tag=NAME is missing, or too long");
  return spec;
}

}  // namespace tandem::config
