// What --verify takes.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::verify {

struct Options {
  u64 one_in = 0;    // so many instructions, one is checked; 0: none
  bool kvm = false;  // user code is held against the host's CPU
  u64 seed = 0;      // of where samples begin and end
};

// "1/N"; then ",kvm"; ",seed=N" for the same places again.
Result<Options> parse_options(std::string_view text);

}  // namespace tandem::verify
