// What subjects share: reproducible data, checksums, and an end where the system refuses something.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <span>

#include "tools/bench/workloads/workload.h"

namespace tandem::bench {

// xorshift64: the same numbers everywhere.
class Random {
 public:
  u64 next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  u64 below(u64 limit) { return next() % limit; }

 private:
  u64 state_ = 0x9e3779b97f4a7c15;
};

// FNV-1a over the bytes of values without padding.
template <typename T>
  requires std::has_unique_object_representations_v<T> || std::floating_point<T>
u64 hash(std::span<const T> values) {
  u64 h = 0xcbf29ce484222325;
  for (std::byte b : std::as_bytes(values)) h = (h ^ static_cast<u64>(b)) * 0x100000001b3;
  return h;
}

inline void require(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::exit(1);
}

}  // namespace tandem::bench
