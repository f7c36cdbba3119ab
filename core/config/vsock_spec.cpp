#include "core/config/vsock_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/numbers.h"

namespace tandem::config {

namespace {

// 0 and 1 are no guest's, 2 is the host's, and the last one means any (vsock(7)).
constexpr u64 kFirstCid = 3, kLastCid = 0xfffffffe;

bool parse_cid(std::string_view text, u64& cid) {
  return parse_number(text, cid) && cid >= kFirstCid && cid <= kLastCid;
}

}  // namespace

Result<VsockSpec> parse_vsock_spec(std::string_view text) {
  VsockSpec spec;
  const auto wrong = [&](std::string_view why) {
    return user_error(fmt::format("vsock: '{}': {}", text, why));
  };
  for (std::string_view left = text; !left.empty();) {
    const std::size_t comma = std::min(left.find(','), left.size());
    std::string_view word = left.substr(0, comma);
    while (word.starts_with(' ')) word.remove_prefix(1);
    if (word.starts_with("path=")) spec.path = word.substr(5);
    else if (!word.starts_with("cid=")) return wrong(fmt::format("what is '{}'?", word));
    else if (!parse_cid(word.substr(4), spec.cid)) return wrong("cid is a number from 3 to 4294967294");
    left.remove_prefix(std::min(comma + 1, left.size()));
  }
  if (spec.path.empty()) return wrong("path=PATH is missing");
  return spec;
}

}  // namespace tandem::config
