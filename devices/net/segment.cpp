#include "devices/net/segment.h"

#include <algorithm>

#include "core/base/bits.h"
#include "devices/net/internet_sum.h"

namespace tandem::devices {

namespace {

// RFC 791, 8200, 793, 768: from the header's start.
constexpr unsigned kIpv4Length = 2, kIpv4Id = 4, kIpv6Length = 4, kIpv6Header = 40, kTcpSequence = 4,
                   kTcpFlags = 13, kUdpLength = 4;
constexpr u8 kTcpOnlyInLast = 0x09;  // FIN, PSH
constexpr unsigned kTransportHeader = 8, kTcpHeader = 20, kIpv4Header = 20;

void add(u8* at, u32 n) { store_be(at, static_cast<u16>(load_be<u16>(at) + n)); }

// What is left to be added to a checksum that a driver has begun, without the length.
void add_to_sum(u8* at, u32 n) {
  u32 sum = load_be<u16>(at) + n;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  store_be(at, static_cast<u16>(sum));
}

bool fits(const SegmentPlan& p, std::size_t frame) {
  const std::size_t header = p.header_bytes;
  return p.segment_bytes && header <= frame && p.ip.start + (p.ipv4 ? kIpv4Header : kIpv6Header) <= header &&
         p.transport.start + (p.tcp ? kTcpHeader : kTransportHeader) <= header &&
         p.ip.offset + 2u <= header && p.transport.offset + 2u <= header;
}

}  // namespace

bool insert_sum(std::span<u8> frame, const SumPlace& place) {
  const std::size_t end = place.end ? std::min<std::size_t>(place.end + 1u, frame.size()) : frame.size();
  if (place.start >= end || place.offset + 2u > frame.size()) return false;
  store_be(&frame[place.offset],
           static_cast<u16>(~internet_sum(frame.subspan(place.start, end - place.start))));
  return true;
}

void segment(std::span<const u8> frame, const SegmentPlan& plan,
             const std::function<void(std::span<const u8>)>& out) {
  if (!fits(plan, frame.size())) return;
  const std::span<const u8> header = frame.first(plan.header_bytes),
                            payload = frame.subspan(plan.header_bytes);
  std::vector<u8> piece;
  u32 number = 0;
  for (std::size_t at = 0; at < payload.size(); at += plan.segment_bytes, ++number) {
    const std::size_t n = std::min<std::size_t>(plan.segment_bytes, payload.size() - at);
    piece.assign(header.begin(), header.end());
    piece.insert(piece.end(), payload.begin() + static_cast<i64>(at),
                 payload.begin() + static_cast<i64>(at + n));
    u8* const ip = &piece[plan.ip.start];
    u8* const transport = &piece[plan.transport.start];
    const u32 ip_bytes = static_cast<u32>(piece.size() - plan.ip.start);
    const u32 transport_bytes = static_cast<u32>(piece.size() - plan.transport.start);
    if (plan.ipv4) {
      store_be(ip + kIpv4Length, static_cast<u16>(ip_bytes));
      add(ip + kIpv4Id, number);
    } else {
      store_be(ip + kIpv6Length, static_cast<u16>(ip_bytes - kIpv6Header));
    }
    if (plan.tcp) {
      store_be(transport + kTcpSequence, load_be<u32>(transport + kTcpSequence) + static_cast<u32>(at));
      if (at + n < payload.size()) transport[kTcpFlags] &= static_cast<u8>(~kTcpOnlyInLast);
    } else {
      store_be(transport + kUdpLength, static_cast<u16>(transport_bytes));
    }
    if (plan.sum_transport) {
      add_to_sum(&piece[plan.transport.offset], transport_bytes);
      insert_sum(piece, plan.transport);
    }
    if (plan.sum_ip) insert_sum(piece, plan.ip);
    out(piece);
  }
}

}  // namespace tandem::devices
