#include "devices/virtio/net_checksum.h"

#include "core/base/bits.h"
#include "devices/net/internet_sum.h"

namespace tandem::devices::virtio {

namespace {

constexpr u8 kNeedsChecksum = 1;
// Of struct virtio_net_hdr.
constexpr unsigned kFlags = 0, kStart = 6, kOffset = 8;

}  // namespace

void complete_checksum(std::span<const u8> header, std::span<u8> frame) {
  if (!(header[kFlags] & kNeedsChecksum)) return;
  const u64 start = load_le<u16>(&header[kStart]), at = start + load_le<u16>(&header[kOffset]);
  if (start > frame.size() || at + 2 > frame.size()) return;
  const u16 sum = static_cast<u16>(~internet_sum(frame.subspan(start)));
  // UDP has no zero: it means that there is none (RFC 768).
  store_be<u16>(&frame[at], sum ? sum : 0xffff);
}

}  // namespace tandem::devices::virtio
