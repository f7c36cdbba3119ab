// What the program says on standard error.
#pragma once

#include <fmt/format.h>

#include <cstdio>

#include "core/base/result.h"

namespace tandem::tools {

// Exit statuses (README, "Exit status").
enum ExitStatus : int {
  kOk = 0,
  kUsage = 2,
  kHostRefused = 3,
  kGuestReset = 32,
  kGuestCrashed = 33,
  kGuestPanicked = 34,
  kExpectMissing = 35,
  kTimeout = 124,
};

inline void say(std::string_view line) { fmt::print(stderr, "tandem: {}\n", line); }

// Says the error, in one line; gives the status that goes with it.
inline int fail(const Error& error) {
  say(error.message);
  return error.kind == ErrorKind::User ? kUsage : kHostRefused;
}

}  // namespace tandem::tools
