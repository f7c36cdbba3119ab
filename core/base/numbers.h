// Texts that are numbers, from their first character to the last.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

#include "core/base/types.h"

namespace tandem {

// False, and `number` as it was: it is none, or too large for T.
template <class T>
bool parse_number(std::string_view text, T& number, int base = 10) {
  T read{};
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, read, base);
  if (error != std::errc() || at != end) return false;
  number = read;
  return true;
}

// Decimal, or hexadecimal behind 0x.
inline std::optional<u64> parse_number(std::string_view text) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  u64 n = 0;
  return parse_number(text, n, hex ? 16 : 10) ? std::optional(n) : std::nullopt;
}

}  // namespace tandem
