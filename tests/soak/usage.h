// What this process uses of the host.
#pragma once

#include <array>
#include <string_view>

#include "core/base/types.h"

namespace tandem::tests {

struct Resource {
  std::string_view name;
  u64 slack;  // how much more than in an earlier round is no leak
};

// Memory in bytes; the allocator keeps and splits what was freed, and the loader and the C library come to
// rest late.
inline constexpr std::array kResources{Resource{"resident", 4 * MiB}, Resource{"allocated", 64 * KiB},
                                       Resource{"mappings", 2}, Resource{"descriptors", 0},
                                       Resource{"threads", 0}};

using Usage = std::array<u64, kResources.size()>;  // in the order of kResources

Usage usage_now();

}  // namespace tandem::tests
