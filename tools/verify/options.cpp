#include "tools/verify/options.h"

#include <fmt/format.h>

#include <random>

#include "core/base/numbers.h"

namespace tandem::verify {

Result<Options> parse_options(std::string_view text) {
  constexpr std::string_view kOneIn = "1/", kSeed = "seed=";
  Options options;
  if (text.empty()) return options;
  options.seed = std::random_device{}();
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view word = text.substr(at, comma - at);
    const auto take = [&](std::string_view prefix, u64& number) {
      return word.starts_with(prefix) && parse_number(word.substr(prefix.size()), number);
    };
    if (word == "kvm") options.kvm = true;
    else if (!(take(kOneIn, options.one_in) && options.one_in) && !take(kSeed, options.seed))
      return user_error(fmt::format("verify: '{}' is none of 1/N, kvm, seed=N", word));
    at = comma + 1;
  }
  if (options.one_in == 0) return user_error("verify: how many? 1/N is missing");
  return options;
}

}  // namespace tandem::verify
