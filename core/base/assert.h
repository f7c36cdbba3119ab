// Checks for our own bugs. Kept in release builds; never used on what a guest or a user gives.
#pragma once

#include <source_location>

namespace tandem {

[[noreturn]] void assert_failed(const char* what, std::source_location where);

inline void ensure(bool condition, const char* what,
                   std::source_location where = std::source_location::current()) {
  if (!condition) [[unlikely]]
    assert_failed(what, where);
}

}  // namespace tandem
