#include "devices/net/internet_sum.h"

#include "core/base/bits.h"

namespace tandem::devices {

// The sum of words does not depend on their byte order but for the order of its own two bytes.
u16 internet_sum(std::span<const u8> bytes) {
  u64 sum = 0;
  while (bytes.size() >= 4) {
    sum += load_le<u32>(bytes.data());
    bytes = bytes.subspan(4);
  }
  u32 rest = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) rest |= u32{bytes[i]} << 8 * i;
  sum += rest;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return byte_swapped(static_cast<u16>(sum));
}

}  // namespace tandem::devices
