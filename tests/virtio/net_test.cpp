// virtio-net (VIRTIO 1.2, 5.1) between a driver and a network that the test plays.
#include "devices/virtio/net.h"

#include <filesystem>
#include <fstream>

#include "devices/net/internet_sum.h"
#include "devices/virtio/net_checksum.h"
#include "tests/support/fake_network.h"
#include "tests/virtio/virtio_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices;
using namespace devices::virtio;

constexpr MacAddress kOwn = {0x52, 0x54, 0, 1, 2, 3}, kOther = {0x52, 0x54, 0, 9, 9, 9};
constexpr u64 kMergeable = 1 << 15, kCsum = 1 << 0, kGuestCsum = 1 << 1, kControlQueue = 1 << 17;

Bytes frame_to(const MacAddress& to, std::size_t size, u8 fill = 0x33) {
  Bytes f(size, fill);
  std::copy(to.begin(), to.end(), f.begin());
  return f;
}

class NetTest : public VirtioTest, public testing::WithParamInterface<RingForm> {
 protected:
  explicit NetTest(std::unique_ptr<PcapFile> capture = {}) {
    backend = std::make_unique<NetBackend>(std::make_unique<FakeNetwork>(network), std::move(capture));
    plug(std::make_unique<Net>(bench.context(), "net", *backend, kOwn, u16{2}));
  }
  ~NetTest() override { transport.reset(); }
  void begin(u64 features) {
    negotiate(GetParam().features() | features);
    ASSERT_TRUE(status() & kFeaturesOk);
    use_msix(3);
    for (u16 q = 0; q < 3; ++q) {
      rings.emplace_back(memory(), GetParam(), 16, kRing + 0x8000 * q);
      set_up_queue(q, rings.back());
    }
    go();
    transport->resume();
  }
  DriverRing& receive() { return rings[0]; }
  DriverRing& transmit() { return rings[1]; }
  DriverRing& control() { return rings[2]; }
  // A buffer for what arrives.
  void offer(u16 id, u64 at, u32 size) {
    receive().add(id, {{at, size, true}});
    kick(0);
  }
  UsedElement wait_used(DriverRing& ring) {
    for (unsigned i = 0; i < 20000; ++i) {
      if (const auto used = ring.take_used()) return *used;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ADD_FAILURE() << "nothing came back";
    return {};
  }
  u8 command(u8 class_code, u8 number, const Bytes& data) {
    const std::array<u8, 2> head = {class_code, number};
    memory().write(Gpa{kData}, head);
    memory().write(Gpa{kData + 2}, data);
    control().add(1, {{kData, 2}, {kData + 2, static_cast<u32>(data.size())}, {kData + 0x1000, 1, true}});
    kick(2);
    EXPECT_TRUE(control().take_used());
    return memory().read_value<u8>(Gpa{kData + 0x1000});
  }

  std::shared_ptr<FakeNetwork::Shared> network = std::make_shared<FakeNetwork::Shared>();
  std::unique_ptr<NetBackend> backend;
  std::vector<DriverRing> rings;
};

INSTANTIATE_TEST_SUITE_P(All, NetTest, testing::ValuesIn(ring_forms()), form_name);

TEST_P(NetTest, Configuration) {
  EXPECT_EQ(bench.read(kConfig, 4), 0x01005452u);
  EXPECT_EQ(bench.read(kConfig + 4, 2), 0x0302u);
  EXPECT_EQ(bench.read(kConfig + 6, 2), 1u) << "the link is up";
  EXPECT_EQ(bench.read(kConfig + 10, 2), 9000u);
}

TEST_P(NetTest, SendsFrames) {
  begin(kMergeable);
  for (u16 i = 0; i < 40; ++i) {
    const Bytes frame = frame_to(kOther, 60u + i, static_cast<u8>(i));
    memory().fill(Gpa{kData}, 0, 12);
    memory().write(Gpa{kData + 12}, frame);
    transmit().add(i, {{kData, 12}, {kData + 12, 20}, {kData + 32, static_cast<u32>(frame.size() - 20)}});
    kick(1);
    const auto sent = network->wait_sent(1);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0], frame);
    EXPECT_EQ(wait_used(transmit()).id, i);
  }
}

// 5.1.6.2: the driver gives the place and the sum of the pseudo-header.
TEST_P(NetTest, CompletesChecksums) {
  begin(kMergeable | kCsum);
  Bytes frame = frame_to(kOther, 75, 0xa7);
  constexpr std::size_t kStart = 34, kField = kStart + 16;
  frame[kField] = 0x12;
  frame[kField + 1] = 0x34;
  const Bytes header = {1, 0, 0, 0, 0, 0, kStart, 0, 16, 0, 0, 0};
  memory().write(Gpa{kData}, header);
  memory().write(Gpa{kData + 12}, frame);
  transmit().add(1, {{kData, 87}});
  kick(1);
  const auto sent = network->wait_sent(1);
  ASSERT_EQ(sent.size(), 1u);
  u32 sum = 0;  // RFC 1071, word by word, with the sum of the pseudo-header counted back in
  for (std::size_t i = kStart; i < frame.size(); i += 2)
    sum += u32{sent[0][i]} << 8 | (i + 1 < frame.size() ? sent[0][i + 1] : 0);
  sum += 0x1234;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  EXPECT_EQ(sum, 0xffffu);
}

TEST_P(NetTest, ChecksumsOutsideOfTheFrameAreNone) {
  begin(kMergeable | kCsum);
  for (const Bytes& header :
       {Bytes{1, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0}, Bytes{1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0},
        Bytes{1, 0, 0, 0, 0, 0, 0, 0, 59, 0, 0, 0}}) {
    const Bytes frame = frame_to(kOther, 60);
    memory().write(Gpa{kData}, header);
    memory().write(Gpa{kData + 12}, frame);
    transmit().add(1, {{kData, 72}});
    kick(1);
    EXPECT_EQ(network->wait_sent(1)[0], frame);
    wait_used(transmit());
  }
}

TEST_P(NetTest, ReceivesIntoOneBuffer) {
  begin(kMergeable | kGuestCsum);
  offer(5, kData, 2000);
  const Bytes frame = frame_to(kOwn, 1500, 0x44);
  network->arrive(frame);
  const UsedElement used = wait_used(receive());
  EXPECT_EQ(used.id, 5);
  EXPECT_EQ(used.written, 1512u);
  EXPECT_EQ(in_memory(kData, 12), (Bytes{2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(in_memory(kData + 12, 1500), frame);
}

// 5.1.6.4: one frame over several buffers, which the driver sees at once.
TEST_P(NetTest, MergesBuffers) {
  begin(kMergeable);
  for (u16 round = 0; round < 10; ++round) {
    Bytes frame = frame_to(kOwn, 1000);
    for (std::size_t i = 6; i < frame.size(); ++i) frame[i] = static_cast<u8>(i * 7 + round);
    for (u16 i = 0; i < 4; ++i) receive().add(i, {{kData + 0x400u * i, 300, true}});
    kick(0);
    network->arrive(frame);
    Bytes got;
    for (u16 i = 0; i < 4; ++i) {
      const UsedElement used = wait_used(receive());
      EXPECT_EQ(used.id, i);
      const Bytes part = in_memory(kData + 0x400u * i, used.written);
      got.insert(got.end(), part.begin(), part.end());
    }
    ASSERT_EQ(got.size(), 1012u);
    EXPECT_EQ(got[10], 4);
    EXPECT_EQ(Bytes(got.begin() + 12, got.end()), frame);
  }
}

TEST_P(NetTest, FramesWaitForRoom) {
  begin(kMergeable);
  offer(1, kData, 100);
  std::vector<Bytes> frames;
  for (u8 i = 0; i < 5; ++i) frames.push_back(frame_to(kOwn, 400, i));
  network->arrive_together(frames);
  network->wait_arrived(5);
  EXPECT_FALSE(receive().take_used()) << "the frame does not fit, so nothing of it came";
  for (u16 i = 0; i < 5; ++i) offer(static_cast<u16>(i + 10), kData + 0x1000u * (i + 1), 500);
  EXPECT_EQ(wait_used(receive()).id, 1);
  EXPECT_EQ(wait_used(receive()).id, 10);
  for (u16 i = 1; i < 5; ++i) {
    EXPECT_EQ(wait_used(receive()).id, i + 10);
    EXPECT_EQ(memory().read_value<u8>(Gpa{kData + 0x1000u * (i + 1) + 12 + 399}), i);
  }
}

// Without mergeable buffers a frame has one; one that is too long is lost.
TEST_P(NetTest, WithoutMergeableBuffers) {
  begin(0);
  offer(1, kData, 300);
  offer(2, kData + 0x1000, 1600);
  network->arrive(frame_to(kOwn, 1000));
  network->arrive(frame_to(kOwn, 600, 0x66));
  EXPECT_EQ(wait_used(receive()).written, 12u);
  const UsedElement used = wait_used(receive());
  EXPECT_EQ(used.id, 2);
  EXPECT_EQ(used.written, 612u);
}

TEST_P(NetTest, TakesWhatIsForIt) {
  begin(kMergeable | kControlQueue);
  const MacAddress broadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, group = {1, 0, 0x5e, 0, 0, 1};
  u16 id = 0;
  const auto taken = [&](const MacAddress& to) {
    receive().add(id, {{kData + 0x2000, 500, true}});
    kick(0);
    network->arrive(frame_to(to, 100, 1));
    network->arrive(frame_to(kOwn, 101, 2));  // always taken, unless unicast is off
    const u32 written = wait_used(receive()).written;
    ++id;
    if (written == 113) return false;
    receive().add(id++, {{kData + 0x2000, 500, true}});
    kick(0);
    EXPECT_EQ(wait_used(receive()).written, 113u);
    return true;
  };
  EXPECT_TRUE(taken(broadcast));
  EXPECT_FALSE(taken(kOther));
  EXPECT_FALSE(taken(group));
  EXPECT_EQ(command(0, 1, {1}), 0) << "all multicast";
  EXPECT_TRUE(taken(group));
  EXPECT_EQ(command(0, 1, {0}), 0);
  Bytes table = {0, 0, 0, 0, 1, 0, 0, 0};
  table.insert(table.end(), group.begin(), group.end());
  EXPECT_EQ(command(1, 0, table), 0);
  EXPECT_TRUE(taken(group));
  EXPECT_EQ(command(0, 5, {1}), 0);
  EXPECT_FALSE(taken(broadcast));
  EXPECT_EQ(command(0, 0, {1}), 0) << "promiscuous";
  EXPECT_TRUE(taken(kOther));
}

TEST_P(NetTest, CommandsThatAreNone) {
  begin(kMergeable | kControlQueue);
  EXPECT_EQ(command(9, 0, {0}), 1);
  EXPECT_EQ(command(0, 9, {0}), 1);
  EXPECT_EQ(command(0, 0, {}), 1);
  EXPECT_EQ(command(1, 0, {0xff, 0xff, 0xff, 0xff}), 1) << "a table that is not there";
  EXPECT_EQ(command(1, 0, {0, 0, 0, 0, 1, 0, 0, 0, 1}), 1);
  EXPECT_EQ(command(1, 1, {1, 2, 3}), 1);
  EXPECT_EQ(command(1, 1, {2, 2, 3, 4, 5, 6}), 0);
  EXPECT_FALSE(status() & kNeedsReset);
}

TEST_P(NetTest, FramesWithoutAHeaderStopTheDevice) {
  begin(kMergeable);
  transmit().add(1, {{kData, 11}});
  kick(1);
  while (!(status() & kNeedsReset)) std::this_thread::yield();
  EXPECT_EQ(bench.counters.values().at("virtio.broken"), 1u);
}

TEST_P(NetTest, ResetStopsTheTraffic) {
  begin(kMergeable);
  offer(1, kData, 500);
  set_status(0);
  network->arrive(frame_to(kOwn, 100));
  network->wait_arrived(1);
  EXPECT_FALSE(receive().take_used());
}

class CapturedNetTest : public NetTest {
 protected:
  CapturedNetTest() : NetTest(PcapFile::create(path()).take()) {}
  ~CapturedNetTest() override { std::filesystem::remove(path()); }
  static std::string path() { return testing::TempDir() + "/tandem-" + std::to_string(getpid()) + ".pcap"; }
};
INSTANTIATE_TEST_SUITE_P(One, CapturedNetTest, testing::Values(RingForm{false, true, true}), form_name);

TEST_P(CapturedNetTest, WritesBothWays) {
  begin(kMergeable);
  const Bytes out = frame_to(kOther, 80, 1), in = frame_to(kOwn, 90, 2);
  memory().fill(Gpa{kData}, 0, 12);
  memory().write(Gpa{kData + 12}, out);
  transmit().add(1, {{kData, 92}});
  kick(1);
  network->wait_sent(1);
  offer(1, kData + 0x1000, 500);
  network->arrive(in);
  wait_used(receive());
  transport.reset();
  backend.reset();
  std::ifstream file(path(), std::ios::binary);
  const Bytes bytes((std::istreambuf_iterator<char>(file)), {});
  ASSERT_EQ(bytes.size(), 24 + 16 + 80 + 16 + 90u);
  EXPECT_EQ(load_le<u32>(&bytes[0]), 0xa1b2c3d4u);
  EXPECT_EQ(load_le<u32>(&bytes[20]), 1u) << "Ethernet";
  EXPECT_EQ(load_le<u32>(&bytes[24 + 8]), 80u);
  EXPECT_EQ(Bytes(&bytes[40], &bytes[120]), out);
  EXPECT_EQ(Bytes(&bytes[136], &bytes[136] + 90), in);
}

// A frame of a TCP connection between two ports, over IPv4 or IPv6.
Bytes segment(u16 from, u16 to, bool six) {
  Bytes f = frame_to(kOwn, 100, 0);
  store_be<u16>(&f[12], six ? 0x86dd : 0x0800);
  u8* const ip = &f[14];
  ip[0] = six ? 0x60 : 0x45;
  ip[six ? 6 : 9] = 6;
  u8* const ports = ip + (six ? 40 : 20);
  store_be(ports, from);
  store_be(ports + 2, to);
  return f;
}

// 5.1.6.5.6: both directions of a connection in one pair of queues.
class PairsTest : public NetTest {
 protected:
  static constexpr u64 kMultiQueue = u64{1} << 22;
  void begin_pairs() {
    negotiate(GetParam().features() | kMergeable | kControlQueue | kMultiQueue);
    ASSERT_TRUE(status() & kFeaturesOk);
    use_msix(5);
    for (u16 q = 0; q < 5; ++q) {
      rings.emplace_back(memory(), GetParam(), 8, kRing + 0x6000 * q);
      set_up_queue(q, rings.back());
    }
    go();
    transport->resume();
    for (const u16 pair : {u16{0}, u16{1}}) {
      for (u16 i = 0; i < 8; ++i) rings[2u * pair].add(i, {{kData + 0x4000u + 0x200u * i, 0x200, true}});
      kick(2u * pair);
    }
  }
  u8 set_pairs(u16 pairs) {
    memory().write(Gpa{kData}, std::array<u8, 4>{4, 0, static_cast<u8>(pairs), static_cast<u8>(pairs >> 8)});
    rings[4].add(1, {{kData, 4}, {kData + 0x1000, 1, true}});
    kick(4);
    EXPECT_TRUE(rings[4].take_used());
    return memory().read_value<u8>(Gpa{kData + 0x1000});
  }
  void send_on(unsigned pair, const Bytes& frame) {
    memory().fill(Gpa{kData}, 0, 12);
    memory().write(Gpa{kData + 12}, frame);
    rings[2 * pair + 1].add(1, {{kData, static_cast<u32>(12 + frame.size())}});
    kick(2 * pair + 1);
    wait_used(rings[2 * pair + 1]);
  }
  // The pair that it arrives at.
  unsigned arrives(const Bytes& frame) {
    network->arrive(frame);
    network->wait_arrived(++arrived_);
    for (unsigned pair = 0; pair < 2; ++pair)
      if (rings[2 * pair].take_used()) return pair;
    ADD_FAILURE() << "nowhere";
    return 9;
  }

 private:
  unsigned arrived_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Some, PairsTest,
                         testing::Values(RingForm{false, true, false}, RingForm{true, true, false}),
                         form_name);

TEST_P(PairsTest, AnswersComeWhereTheConnectionIs) {
  EXPECT_EQ(bench.read(kConfig + 8, 2), 2u);
  begin_pairs();
  for (const bool six : {false, true}) {
    const u16 local = six ? 5001 : 5000;
    EXPECT_EQ(arrives(segment(80, local, six)), 0u) << "one pair is in use";
    EXPECT_EQ(set_pairs(2), 0);
    EXPECT_EQ(arrives(segment(80, local, six)), 0u) << "nothing was sent yet";
    send_on(1, segment(local, 80, six));
    EXPECT_EQ(arrives(segment(80, local, six)), 1u);
    send_on(0, segment(local, 80, six));
    EXPECT_EQ(arrives(segment(80, local, six)), 0u) << "it has moved";
    send_on(1, segment(local, 80, six));
    EXPECT_EQ(set_pairs(1), 0);
    EXPECT_EQ(arrives(segment(80, local, six)), 0u);
  }
  EXPECT_EQ(set_pairs(0), 1);
  EXPECT_EQ(set_pairs(3), 1) << "there are two";
}

TEST(Steering, ShortAndStrangeFrames) {
  NetSteering steering;
  for (std::size_t size = 0; size < 100; ++size) {
    Bytes frame = segment(1, 2, false);
    frame[14] = static_cast<u8>(0x40 | size % 16);
    frame.resize(size);
    steering.sent(frame, 1);
    EXPECT_EQ(steering.pair_of(frame), 1u);
  }
}

TEST(Checksum, AsWordByWord) {
  for (std::size_t size = 0; size < 70; ++size) {
    Bytes bytes(size);
    u32 expected = 0;
    for (std::size_t i = 0; i < size; ++i) {
      bytes[i] = static_cast<u8>(i * 37 + size * 11);
      expected += u32{bytes[i]} << (i % 2 ? 0 : 8);
    }
    while (expected >> 16) expected = (expected & 0xffff) + (expected >> 16);
    EXPECT_EQ(internet_sum(bytes), expected) << size;
  }
}

TEST(Forwards, Meaning) {
  const auto good = parse_forward("tcp:127.0.0.1:2222-:22");
  ASSERT_TRUE(good);
  EXPECT_FALSE(good.value().udp);
  EXPECT_EQ(good.value().host_address, (std::array<u8, 4>{127, 0, 0, 1}));
  EXPECT_EQ(good.value().host_port, 2222);
  EXPECT_EQ(good.value().guest_address, (std::array<u8, 4>{}));
  EXPECT_EQ(good.value().guest_port, 22);
  EXPECT_TRUE(parse_forward("udp::53-10.0.2.15:5353").value().udp);
  for (const char* bad : {"", "tcp:", "tcp:1-2", "tcp::80", "icmp::1-:2", "tcp::0-:22", "tcp::99999-:1",
                          "tcp:host:1-:2", "tcp::1-:2x"})
    EXPECT_FALSE(parse_forward(bad)) << bad;
}

}  // namespace
}  // namespace tandem::tests
