#include "devices/virtio/net_steering.h"

#include "core/base/bits.h"

namespace tandem::devices::virtio {

namespace {

constexpr u64 kEthernet = 14;
constexpr u16 kIpv4 = 0x0800, kIpv6 = 0x86dd;
constexpr u8 kTcp = 6, kUdp = 17;

u32 fold(std::span<const u8> words) {
  u32 sum = 0;
  for (; words.size() >= 4; words = words.subspan(4)) sum ^= load_le<u32>(words.data());
  return sum;
}

}  // namespace

u8 NetSteering::flow(std::span<const u8> frame) {
  constexpr u64 kHeaders = kEthernet + 40 + 4;
  if (frame.size() < kHeaders) return 0;
  const u16 type = load_be<u16>(&frame[12]);
  const std::span<const u8> ip = frame.subspan(kEthernet);
  u32 hash = 0;
  u64 header = 40;
  u8 protocol = ip[6];
  if (type == kIpv4) {
    header = 4 * u64{ip[0] & 15u};
    protocol = ip[9];
    hash = fold(ip.subspan(12, 8));
  } else if (type == kIpv6) {
    hash = fold(ip.subspan(8, 32));
  } else {
    return 0;
  }
  if ((protocol == kTcp || protocol == kUdp) && header + 4 <= ip.size())
    hash ^= load_le<u16>(&ip[header]) ^ load_le<u16>(&ip[header + 2]);
  hash ^= hash >> 16;
  return static_cast<u8>(hash ^ hash >> 8);
}

}  // namespace tandem::devices::virtio
