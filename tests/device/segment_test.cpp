// Checksums and segments that an adapter makes. RFC 791, 793, 768, 1071, 8200.
#include "devices/net/segment.h"

#include <gtest/gtest.h>

#include "core/base/bits.h"
#include "devices/net/internet_sum.h"

namespace tandem::tests {
namespace {

using namespace devices;
using Bytes = std::vector<u8>;

constexpr u16 kIp = 14;

// Ethernet, IP and TCP or UDP headers, as a driver leaves them: no lengths, a checksum of the pseudo header
// alone.
struct Packet {
  bool ipv4, tcp;
  u16 ip_bytes() const { return ipv4 ? 20 : 40; }
  u16 transport() const { return static_cast<u16>(kIp + ip_bytes()); }
  u16 header() const { return static_cast<u16>(transport() + (tcp ? 20 : 8)); }
  u16 sum_at() const { return static_cast<u16>(transport() + (tcp ? 16 : 6)); }
  u8 protocol() const { return tcp ? 6 : 17; }
  std::size_t address_at() const { return kIp + (ipv4 ? 12u : 8u); }
  std::size_t address_bytes() const { return ipv4 ? 8 : 32; }

  u16 pseudo_sum(const Bytes& frame, u32 length) const {
    Bytes pseudo(frame.begin() + static_cast<i64>(address_at()),
                 frame.begin() + static_cast<i64>(address_at() + address_bytes()));
    for (unsigned i = 0; i < 4; ++i) pseudo.push_back(static_cast<u8>(length >> (24 - 8 * i)));
    pseudo.insert(pseudo.end(), {0, 0, 0, protocol()});
    return internet_sum(pseudo);
  }
  Bytes make(std::size_t payload) const {
    Bytes f(header());
    f[12] = ipv4 ? 0x08 : 0x86;
    f[13] = ipv4 ? 0x00 : 0xdd;
    f[kIp] = ipv4 ? 0x45 : 0x60;
    if (ipv4) store_be<u16>(&f[kIp + 4], 0xfffe);  // the identification wraps
    f[kIp + (ipv4 ? 9 : 6)] = protocol();
    for (std::size_t i = 0; i < address_bytes(); ++i) f[address_at() + i] = static_cast<u8>(10 + i);
    store_be<u16>(&f[transport()], 1234);
    if (tcp) {
      store_be<u32>(&f[transport() + 4u], 0xfffffff0);
      f[transport() + 12u] = 0x50;
      f[transport() + 13u] = 0x19;  // FIN, PSH, ACK
    }
    store_be(&f[sum_at()], pseudo_sum(f, 0));
    for (std::size_t i = 0; i < payload; ++i) f.push_back(static_cast<u8>(i * 7));
    return f;
  }
  SegmentPlan plan(u16 segment_bytes) const {
    SegmentPlan p;
    p.ip = {kIp, kIp + 10, static_cast<u16>(kIp + 19)};
    p.transport = {transport(), sum_at(), 0};
    p.header_bytes = header();
    p.segment_bytes = segment_bytes;
    p.ipv4 = p.sum_ip = ipv4;
    p.tcp = tcp;
    p.sum_transport = true;
    return p;
  }
};

class Segments : public testing::TestWithParam<Packet> {};

TEST_P(Segments, AreGoodPackets) {
  const Packet& packet = GetParam();
  constexpr std::size_t kPayload = 3001;
  constexpr u16 kEach = 1000;
  const Bytes frame = packet.make(kPayload);
  std::vector<Bytes> got;
  segment(frame, packet.plan(kEach), [&](std::span<const u8> f) { got.emplace_back(f.begin(), f.end()); });
  ASSERT_EQ(got.size(), 4u);
  Bytes payload;
  for (std::size_t i = 0; i < got.size(); ++i) {
    SCOPED_TRACE(i);
    const Bytes& f = got[i];
    const u32 ip_length = static_cast<u32>(f.size() - kIp),
              length = static_cast<u32>(f.size() - packet.transport());
    if (packet.ipv4) {
      EXPECT_EQ(load_be<u16>(&f[kIp + 2]), ip_length);
      EXPECT_EQ(load_be<u16>(&f[kIp + 4]), static_cast<u16>(0xfffe + i));
      EXPECT_EQ(internet_sum(std::span(f).subspan(kIp, 20)), 0xffff);
    } else {
      EXPECT_EQ(load_be<u16>(&f[kIp + 4]), length);
    }
    const u32 sum = internet_sum(std::span(f).subspan(packet.transport())) + packet.pseudo_sum(f, length);
    EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffu);
    if (packet.tcp) {
      EXPECT_EQ(load_be<u32>(&f[packet.transport() + 4u]), static_cast<u32>(0xfffffff0 + i * kEach));
      EXPECT_EQ(f[packet.transport() + 13u], i == 3 ? 0x19 : 0x10);
    } else {
      EXPECT_EQ(load_be<u16>(&f[packet.transport() + 4u]), length);
    }
    payload.insert(payload.end(), f.begin() + packet.header(), f.end());
  }
  EXPECT_EQ(payload, Bytes(frame.begin() + packet.header(), frame.end()));
}
INSTANTIATE_TEST_SUITE_P(Rows, Segments,
                         testing::Values(Packet{true, true}, Packet{false, true}, Packet{true, false}),
                         [](const auto& info) {
                           return std::string(info.param.tcp ? "tcp" : "udp") + (info.param.ipv4 ? "4" : "6");
                         });

TEST(SegmentPlanTest, WhatDoesNotFitGivesNothing) {
  const Packet packet{true, true};
  const Bytes frame = packet.make(3000);
  const auto count = [&](const SegmentPlan& plan) {
    unsigned n = 0;
    segment(frame, plan, [&](std::span<const u8>) { ++n; });
    return n;
  };
  const SegmentPlan good = packet.plan(1000);
  EXPECT_EQ(count(good), 3u);
  const auto spoilt = [&](auto spoil) {
    SegmentPlan plan = good;
    spoil(plan);
    return count(plan);
  };
  EXPECT_EQ(spoilt([](SegmentPlan& p) { p.segment_bytes = 0; }), 0u);
  EXPECT_EQ(spoilt([](SegmentPlan& p) { p.header_bytes = 4000; }), 0u);
  EXPECT_EQ(spoilt([](SegmentPlan& p) { p.header_bytes = 40; }), 0u);
  EXPECT_EQ(spoilt([](SegmentPlan& p) { p.ip.start = 200; }), 0u);
  EXPECT_EQ(spoilt([](SegmentPlan& p) { p.ip.offset = 53; }), 0u);
  EXPECT_EQ(spoilt([](SegmentPlan& p) { p.transport.start = 50; }), 0u);
  EXPECT_EQ(spoilt([](SegmentPlan& p) { p.transport.offset = 53; }), 0u);
}

TEST(InsertSum, OfAPart) {
  Bytes frame(40, 0x11);
  ASSERT_TRUE(insert_sum(frame, {10, 2, 19}));
  EXPECT_EQ(load_be<u16>(&frame[2]), static_cast<u16>(~internet_sum(std::span(frame).subspan(10, 10))));
  EXPECT_FALSE(insert_sum(frame, {40, 2, 0}));
  EXPECT_FALSE(insert_sum(frame, {10, 39, 0}));
  EXPECT_FALSE(insert_sum(frame, {10, 2, 5}));
  EXPECT_TRUE(insert_sum(frame, {10, 38, 65535}));
}

}  // namespace
}  // namespace tandem::tests
