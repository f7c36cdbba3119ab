#include "tools/tandem/display/base64.h"

#include "core/base/types.h"

namespace tandem::tools {

namespace {
constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

std::string to_base64(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::string_view three = bytes.substr(i, 3);
    u32 bits = 0;
    for (std::size_t n = 0; n < 3; ++n) bits = bits << 8 | (n < three.size() ? static_cast<u8>(three[n]) : 0);
    for (std::size_t n = 0; n < 4; ++n) out += n <= three.size() ? kDigits[bits >> (18 - 6 * n) & 63] : '=';
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4) return std::nullopt;
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  u32 bits = 0;
  unsigned have = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<u32>(digit);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out += static_cast<char>(bits >> have);
  }
  return out;
}

}  // namespace tandem::tools
