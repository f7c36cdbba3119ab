// Two blocks of equal contents but for the last byte of the target.
#pragma once

#include <array>

#include "tools/bench/workloads/support.h"

namespace tandem::bench {

template <std::size_t kSize>
struct StringBlocks {
  StringBlocks() {
    Random random;
    for (u8& b : source) b = static_cast<u8>(random.below(255));
    target = source;
    target.back() = 255;
  }
  u64 checksum() const { return hash(std::span<const u8>(target)); }

  alignas(64) std::array<u8, kSize> source;
  alignas(64) std::array<u8, kSize> target;
};

}  // namespace tandem::bench
