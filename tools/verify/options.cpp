#include "tools/verify/options.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <random>

namespace tandem::verify {

namespace {

std::optional<u64> number_in(std::string_view digits) {
  u64 n = 0;
  const auto [at, error] = std::from_chars(digits.begin(), digits.end(), n);
  return error == std::errc{} && at == digits.end() ? std::optional(n) : std::nullopt;
}

}  // namespace

Result<Options> parse_options(std::string_view text) {
  constexpr std::string_view kOneIn = "1/", kSeed = "seed=";
  Options options;
  if (text.empty()) return options;
  options.seed = std::random_device{}();
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view word = text.substr(at, comma - at);
    const auto number = [&](std::string_view prefix) -> std::optional<u64> {
      return word.starts_with(prefix) ? number_in(word.substr(prefix.size())) : std::nullopt;
    };
    if (const auto one_in = number(kOneIn); one_in && *one_in) options.one_in = *one_in;
    else if (const auto seed = number(kSeed)) options.seed = *seed;
    else if (word == "kvm") options.kvm = true;
    else return user_error(fmt::format("verify: '{}' is none of 1/N, kvm, seed=N", word));
    at = comma + 1;
  }
  if (options.one_in == 0) return user_error("verify: how many? 1/N is missing");
  return options;
}

}  // namespace tandem::verify
