// What the transfers have in common: time, files, failure.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "core/base/types.h"
#include "tools/bench/workloads/measure.h"

namespace tandem::bench {

inline constexpr u64 kBlock = 4 * KiB;
inline constexpr u64 kPiece = MiB;

// A transfer that fails has no time.
inline void must(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "io: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

class Descriptor {
 public:
  Descriptor(int fd, const char* what) : fd_(fd) { must(fd >= 0, what); }
  ~Descriptor() { close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// For direct transfers: aligned as any disk wants it.
struct AlignedFree {
  void operator()(u8* p) const { std::free(p); }
};
using AlignedBytes = std::unique_ptr<u8, AlignedFree>;
inline AlignedBytes aligned_bytes(u64 size) {
  AlignedBytes bytes(static_cast<u8*>(std::aligned_alloc(kBlock, size)));
  must(bytes != nullptr, "memory");
  std::memset(bytes.get(), 0x5a, size);
  return bytes;
}

}  // namespace tandem::bench
