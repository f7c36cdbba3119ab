// The seed of a test with random programs: TANDEM_SEED, or a new one.
#pragma once

#include <cstdlib>
#include <random>
#include <string>

#include "core/base/types.h"

namespace tandem::tests {

inline u64 test_seed() {
  const char* given = std::getenv("TANDEM_SEED");
  return given ? std::stoull(given) : std::random_device{}();
}

}  // namespace tandem::tests
