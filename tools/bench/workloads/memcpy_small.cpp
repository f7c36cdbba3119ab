// 256 calls of memcpy with 1 to 64 bytes, unaligned.
#include <array>
#include <cstring>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

struct Copy {
  u32 from, to, size;
};

class MemcpySmall {
 public:
  MemcpySmall() {
    Random random;
    for (u8& b : source_) b = static_cast<u8>(random.next());
    for (Copy& c : copies_)
      c = {static_cast<u32>(random.below(960)), static_cast<u32>(random.below(960)),
           static_cast<u32>(1 + random.below(64))};
  }
  void once() {
    for (const Copy& c : copies_) std::memcpy(&target_[c.to], &source_[c.from], c.size);
  }
  u64 checksum() const { return hash(std::span<const u8>(target_)); }

 private:
  std::array<u8, 1024> source_, target_{};
  std::array<Copy, 256> copies_;
};

}  // namespace

Workload memcpy_small() { return make_workload<MemcpySmall>("memcpy-small", "memory"); }

}  // namespace tandem::bench
