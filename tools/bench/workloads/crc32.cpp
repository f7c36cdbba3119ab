// CRC-32 of 1 KiB, a bit at a time: shifts and exclusive-ors, no memory to speak of.
#include <array>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

class Crc32 {
 public:
  Crc32() {
    Random random;
    for (u8& b : data_) b = static_cast<u8>(random.next());
  }
  void once() {
    u32 crc = ~u32{0};
    for (u8 b : data_) {
      crc ^= b;
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    crc_ = ~crc;
  }
  u64 checksum() const { return crc_; }

 private:
  std::array<u8, 1024> data_;
  u32 crc_ = 0;
};

}  // namespace

Workload crc32() { return make_workload<Crc32>("crc32", "integer"); }

}  // namespace tandem::bench
