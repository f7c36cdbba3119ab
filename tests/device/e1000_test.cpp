// Intel 82540EM between a driver and a network that the test plays. Sections: PCI/PCI-X Family of Gigabit
// Ethernet Controllers Software Developer's Manual.
#include "devices/net/e1000.h"

#include <gtest/gtest.h>

#include <random>

#include "core/base/bits.h"
#include "devices/net/internet_sum.h"
#include "devices/pci/regs.h"
#include "tests/support/device_bench.h"
#include "tests/support/fake_network.h"

namespace tandem::tests {
namespace {

using namespace devices;
using namespace devices::e1000;

constexpr MacAddress kOwn = {0x52, 0x54, 0, 1, 2, 3}, kOther = {0x52, 0x54, 0, 9, 9, 9},
                     kAll = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, kGroup = {0x01, 0, 0x5e, 0, 0, 0xfb};

Bytes frame_to(const MacAddress& to, std::size_t size, u8 fill = 0x33) {
  Bytes f(size, fill);
  std::copy(to.begin(), to.end(), f.begin());
  return f;
}

class E1000Test : public testing::Test {
 protected:
  static constexpr u64 kBar = 0xe0000000, kRxRing = 0x10000, kTxRing = 0x20000, kRxBuffers = 0x30000,
                       kTxBuffers = 0x60000;
  static constexpr u16 kPorts = 0xc000;
  static constexpr u32 kRxCount = 8, kTxCount = 16, kBufferSize = 2048;

  explicit E1000Test(NetTraits traits = {1500, true, true}) {
    backend = std::make_unique<NetBackend>(std::make_unique<FakeNetwork>(network, traits));
    card = make();
    place(*card);
  }
  ~E1000Test() override { card.reset(); }
  std::unique_ptr<E1000> make() {
    return std::make_unique<E1000>(bench.context(), "e1000", bench.wires.level_irq(), msi, *backend, kOwn);
  }
  static void place(E1000& c) {
    c.write_config(pci::kBar0, 4, kBar);
    c.write_config(pci::kBar0 + 8, 4, kPorts);
    c.write_config(pci::kCommand, 2, pci::kCommandIo | pci::kCommandMemory | pci::kCommandMaster);
  }
  u32 get(u32 reg) { return static_cast<u32>(bench.read(kBar + reg)); }
  void set(u32 reg, u32 value) { bench.write(kBar + reg, value); }
  mem::GuestMemory& memory() { return bench.context().memory; }

  void start_receiving(u32 control = kRctlEnable | kRctlBroadcast | kRctlStripCrc, u32 tail = kRxCount - 1) {
    for (u32 i = 0; i < kRxCount; ++i) {
      memory().write_value(Gpa{kRxRing + i * 16}, kRxBuffers + i * kBufferSize);
      memory().write_value(Gpa{kRxRing + i * 16 + 8}, u64{0});
    }
    set(kRdbal, kRxRing);
    set(kRdlen, kRxCount * 16);
    set(kRdt, tail);
    set(kRctl, control);
    card->resume();
  }
  void start_sending() {
    set(kTdbal, kTxRing);
    set(kTdlen, kTxCount * 16);
    set(kTctl, kTctlEnable);
    card->resume();
  }
  // Waits for the back end's thread.
  template <class F>
  bool soon(F what) {
    for (unsigned i = 0; i < 20000; ++i) {
      if (what()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  void arrive(Bytes frame) {
    network->arrive(std::move(frame));
    network->wait_arrived(++arrivals);
  }
  u8 rx_status(u32 i) { return memory().read_value<u8>(Gpa{kRxRing + i * 16 + kRxStatus}); }
  u16 rx_length(u32 i) { return memory().read_value<u16>(Gpa{kRxRing + i * 16 + kRxLength}); }
  u16 rx_special(u32 i) { return memory().read_value<u16>(Gpa{kRxRing + i * 16 + kRxSpecial}); }
  Bytes rx_bytes(u32 i) {
    Bytes b(rx_length(i));
    memory().read(Gpa{kRxBuffers + i * kBufferSize}, b);
    return b;
  }

  // At the tail, which is not told to the card yet.
  void put(const std::array<u8, 16>& descriptor) {
    memory().write(Gpa{kTxRing + tx_tail * 16}, descriptor);
    tx_tail = (tx_tail + 1) % kTxCount;
  }
  static std::array<u8, 16> legacy(u64 at, u16 length, u8 command, u8 sum_offset = 0, u8 sum_start = 0,
                                   u16 special = 0) {
    std::array<u8, 16> d{};
    store_le(&d[0], at);
    store_le(&d[kTxLength], length);
    d[kTxSumOffset] = sum_offset;
    d[kTxCommand] = command;
    d[kTxSumStart] = sum_start;
    store_le(&d[kTxSpecial], special);
    return d;
  }
  static std::array<u8, 16> data(u64 at, u32 length, u8 command, u8 options) {
    std::array<u8, 16> d{};
    store_le(&d[0], at);
    store_le(&d[kTxLength], length | 1 << 20);
    d[kTxCommand] = command | kTxExtended;
    d[kTxSumStart] = options;
    return d;
  }
  static std::array<u8, 16> context(const SumPlace& ip, const SumPlace& transport, u32 payload, u8 command,
                                    u8 header, u16 segment) {
    std::array<u8, 16> d{};
    d[0] = static_cast<u8>(ip.start);
    d[1] = static_cast<u8>(ip.offset);
    store_le(&d[2], ip.end);
    d[4] = static_cast<u8>(transport.start);
    d[5] = static_cast<u8>(transport.offset);
    store_le(&d[6], transport.end);
    store_le(&d[8], payload);
    d[kTxCommand] = command | kTxExtended;
    d[13] = header;
    store_le(&d[14], segment);
    return d;
  }
  void send() { set(kTdt, tx_tail); }
  std::vector<Bytes> sent(std::size_t count) { return network->wait_sent(count); }
  u8 tx_status(u32 i) { return memory().read_value<u8>(Gpa{kTxRing + i * 16 + kTxStatus}); }

  DeviceBench bench;
  MsiLog msi;
  std::shared_ptr<FakeNetwork::Shared> network = std::make_shared<FakeNetwork::Shared>();
  std::unique_ptr<NetBackend> backend;
  std::unique_ptr<E1000> card;
  unsigned arrivals = 0;
  u32 tx_tail = 0;
};

// 13.4: values after a reset.
TEST_F(E1000Test, AfterReset) {
  EXPECT_EQ(get(kStatus) & 0xc3, 0x83u);  // gigabit, link, full duplex
  EXPECT_EQ(get(kRal), 0x01005452u);
  EXPECT_EQ(get(kRah), 0x80000302u);
  EXPECT_EQ(get(kPba), 0x00100030u);
  for (const u32 r : {kRctl, kTctl, kIms, kIcr, kRdh, kTdh}) EXPECT_EQ(get(r), 0u) << r;
  set(kRctl, kRctlEnable);
  set(kIms, 0x1ffff);
  set(kCtrl, kCtrlReset);
  EXPECT_EQ(get(kRctl), 0u);
  EXPECT_EQ(get(kIms), 0u);
  EXPECT_EQ(get(kCtrl) & kCtrlReset, 0u);
  EXPECT_EQ(get(0x1fffc), 0u);
}

// 13.2.2: registers by I/O ports.
TEST_F(E1000Test, Ports) {
  bench.out(kPorts, kMta + 4, 4);
  bench.out(kPorts + 4, 0x12345678, 4);
  EXPECT_EQ(bench.in(kPorts, 4), kMta + 4u);
  EXPECT_EQ(get(kMta + 4), 0x12345678u);
  bench.out(kPorts, kStatus, 4);
  EXPECT_EQ(bench.in(kPorts + 4, 4), get(kStatus));
}

TEST_F(E1000Test, WidthsOfAccess) {
  set(kMta, 0x44332211);
  set(kMta + 4, 0x88776655);
  EXPECT_EQ(bench.read(kBar + kMta, 8), 0x8877665544332211u);
  EXPECT_EQ(bench.read(kBar + kMta + 1, 1), 0x22u);
  EXPECT_EQ(bench.read(kBar + kMta + 2, 2), 0x4433u);
  bench.write(kBar + kMta, 0xff, 1);
  EXPECT_EQ(get(kMta), 0x44332211u);
}

// 5.6 and 13.4.4: all words add up to BABAh.
TEST_F(E1000Test, EepromByRegister) {
  u16 sum = 0;
  for (u32 i = 0; i < 64; ++i) {
    set(kEerd, i << 8 | 1);
    EXPECT_EQ(get(kEerd) & 0x10, 0x10u);
    sum = static_cast<u16>(sum + (get(kEerd) >> 16));
  }
  EXPECT_EQ(sum, 0xbaba);
  set(kEerd, 1 << 8 | 1);
  EXPECT_EQ(get(kEerd) >> 16, 0x0100u);
}

// 13.4.3: the chip's own protocol; a read goes on with the next word.
TEST_F(E1000Test, EepromByBits) {
  constexpr u32 kClock = 1, kSelect = 2, kIn = 4, kOut = 8, kRequest = 0x40, kGrant = 0x80, kPresent = 0x100;
  set(kEecd, kRequest);
  EXPECT_EQ(get(kEecd) & (kGrant | kPresent), kGrant | kPresent);
  const auto clock = [&](u32 in) {
    set(kEecd, kRequest | kSelect | in);
    set(kEecd, kRequest | kSelect | in | kClock);
    const bool out = get(kEecd) & kOut;
    set(kEecd, kRequest | kSelect | in);
    return out;
  };
  const auto command = [&](u32 bits_, unsigned count) {
    for (unsigned i = count; i-- > 0;) clock(bits_ >> i & 1 ? kIn : 0);
  };
  const auto word = [&] {
    u16 w = 0;
    for (unsigned i = 0; i < 16; ++i) w = static_cast<u16>(w << 1 | clock(0));
    return w;
  };
  command(0b0'110'000001, 10);  // a leading 0 is no start bit
  EXPECT_FALSE(get(kEecd) & kOut);
  EXPECT_EQ(word(), 0x0100);
  EXPECT_EQ(word(), 0x0302);
  set(kEecd, kRequest);
  command(0b110'000000, 9);
  EXPECT_EQ(word(), 0x5452);
  set(kEecd, 0);
  EXPECT_EQ(get(kEecd) & kGrant, 0u);
}

// 13.4.7
TEST_F(E1000Test, Phy) {
  constexpr u32 kRead = 2 << 26 | 1 << 21, kWrite = 1 << 26 | 1 << 21;
  const auto read = [&](u32 r) {
    set(kMdic, kRead | r << 16);
    EXPECT_EQ(get(kMdic) >> 28, 1u);
    return get(kMdic) & 0xffff;
  };
  EXPECT_EQ(read(2), 0x0141u);
  EXPECT_EQ(read(3) & 0xfff0, 0x0c20u);
  EXPECT_EQ(read(1) & 0x24, 0x24u);  // has negotiated, link
  set(kMdic, kWrite | 4 << 16 | 0x01e1);
  EXPECT_EQ(read(4), 0x01e1u);
  set(kMdic, kWrite | 2 << 16 | 0xffff);
  EXPECT_EQ(read(2), 0x0141u);
  set(kMdic, kWrite | 0 << 16 | 0x1940);  // powered down
  EXPECT_EQ(read(1) & 4, 0u);
  EXPECT_EQ(get(kStatus) & kStatusLinkUp, 0u);
  set(kMdic, kWrite | 0 << 16 | 0x8000);  // reset
  EXPECT_EQ(read(0), 0x1140u);
  EXPECT_EQ(get(kStatus) & kStatusLinkUp, kStatusLinkUp);
  set(kMdic, 2 << 26 | 2 << 21);
  EXPECT_TRUE(get(kMdic) & 1 << 30);  // no such PHY
  set(kIms, kMdioDone);
  set(kMdic, kRead | 1 << 29);
  EXPECT_TRUE(bench.wires.level());
}

// 13.4.17 to 13.4.21
TEST_F(E1000Test, Interrupts) {
  set(kIcs, kLinkChanged | kRxTimer);
  EXPECT_FALSE(bench.wires.level());
  set(kIms, kLinkChanged);
  EXPECT_TRUE(bench.wires.level());
  EXPECT_EQ(get(kIms), kLinkChanged);
  set(kImc, kLinkChanged);
  EXPECT_FALSE(bench.wires.level());
  set(kIms, kLinkChanged);
  set(kIcr, kLinkChanged);
  EXPECT_FALSE(bench.wires.level());
  set(kIcs, kLinkChanged);
  EXPECT_EQ(get(kIcr), kLinkChanged | kRxTimer);
  EXPECT_EQ(get(kIcr), 0u);
  EXPECT_FALSE(bench.wires.level());
}

// 13.4.18: in units of 256 ns.
TEST_F(E1000Test, Throttle) {
  set(kItr, 1000);
  set(kIms, kRxTimer);
  set(kIcs, kRxTimer);
  EXPECT_TRUE(bench.wires.level());
  get(kIcr);
  set(kIcs, kRxTimer);
  EXPECT_FALSE(bench.wires.level());
  bench.clock.advance(255'999);
  EXPECT_FALSE(bench.wires.level());
  bench.clock.advance(1);
  EXPECT_TRUE(bench.wires.level());
  get(kIcr);
  bench.clock.advance(256'000);
  EXPECT_FALSE(bench.wires.level());
  set(kIcs, kRxTimer);
  EXPECT_TRUE(bench.wires.level());
}

TEST_F(E1000Test, Receives) {
  set(kIms, kRxTimer);
  start_receiving();
  const Bytes frame = frame_to(kOwn, 200);
  arrive(frame);
  EXPECT_EQ(rx_status(0), kRxDone | kRxEnd | kRxIgnoreSums);
  EXPECT_EQ(rx_bytes(0), frame);
  EXPECT_EQ(get(kRdh), 1u);
  EXPECT_TRUE(bench.wires.level());
  EXPECT_EQ(get(kIcr), kRxTimer);
  EXPECT_TRUE(memory().marks().get(kRxBuffers >> kPageShift) & mem::kDirty);
}

// 3.2.1 and 13.4.22: frames are at least 60 bytes, with their check sequence where it is not stripped.
TEST_F(E1000Test, PaddingAndCrc) {
  start_receiving(kRctlEnable);
  arrive(frame_to(kOwn, 42));
  EXPECT_EQ(rx_length(0), 64);
  const Bytes got = rx_bytes(0);
  EXPECT_EQ(Bytes(got.begin() + 42, got.begin() + 60), Bytes(18));
  // A frame with its check sequence has this residue (IEEE 802.3, 3.2.9).
  u32 crc = ~0u;
  for (const u8 b : got) {
    crc ^= b;
    for (unsigned i = 0; i < 8; ++i) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  EXPECT_EQ(crc, 0xdebb20e3u);
}

struct FilterRow {
  const char* name;
  u32 control;
  MacAddress to;
  bool taken;
};
class E1000Filter : public E1000Test, public testing::WithParamInterface<FilterRow> {};
// 13.5: addresses; a group by its hash.
TEST_P(E1000Filter, Takes) {
  set(kMta + 4 * (0xfb0 >> 5), 1u << (0xfb0 & 31));  // bits 47..36 of the address
  set(kRal + 8 * 15, 0x00005452 | 0x07 << 24);
  set(kRah + 8 * 15, kRahValid | 0x0807);
  start_receiving(kRctlEnable | kRctlStripCrc | GetParam().control);
  arrive(frame_to(GetParam().to, 100));
  EXPECT_EQ(rx_status(0) != 0, GetParam().taken);
}
INSTANTIATE_TEST_SUITE_P(Rows, E1000Filter,
                         testing::Values(FilterRow{"own", 0, kOwn, true},
                                         FilterRow{"other", 0, kOther, false},
                                         FilterRow{"promiscuous", kRctlAllUnicast, kOther, true},
                                         FilterRow{"second", 0, {0x52, 0x54, 0, 7, 7, 8}, true},
                                         FilterRow{"broadcast", kRctlBroadcast, kAll, true},
                                         FilterRow{"no_broadcast", 0, kAll, false},
                                         FilterRow{"group_by_hash", 0, kGroup, true},
                                         FilterRow{"no_group", 0, {1, 2, 3, 4, 5, 6}, false},
                                         FilterRow{"all_groups", kRctlAllMulticast, {1, 2, 3, 4, 5, 6}, true},
                                         FilterRow{"group_by_other_bits", 1 << 12, kGroup, false}),
                         [](const auto& info) { return info.param.name; });

TEST_F(E1000Test, NothingWhileOff) {
  start_receiving(0);
  arrive(frame_to(kOwn, 100));
  EXPECT_EQ(rx_status(0), 0);
  card->write_config(pci::kCommand, 2, pci::kCommandMemory);
  set(kRctl, kRctlEnable);
  arrive(frame_to(kOwn, 100));
  EXPECT_EQ(rx_status(0), 0);
}

// 9.2, 9.3.1: tags are taken out, or filtered by their number.
TEST_F(E1000Test, VlansReceived) {
  Bytes frame = frame_to(kOwn, 100, 0x66);
  store_be<u16>(&frame[12], 0x8100);
  store_be<u16>(&frame[14], 0x2005);
  set(kCtrl, get(kCtrl) | kCtrlVlan);
  start_receiving(kRctlEnable | kRctlStripCrc | kRctlVlanFilter);
  arrive(frame);
  EXPECT_EQ(rx_status(0), 0);
  set(kVfta, 1 << 5);
  arrive(frame);
  EXPECT_EQ(rx_status(0), kRxDone | kRxEnd | kRxVlan | kRxIgnoreSums);
  EXPECT_EQ(rx_special(0), 0x2005);
  frame.erase(frame.begin() + 12, frame.begin() + 16);
  EXPECT_EQ(rx_bytes(0), frame);
}

TEST_F(E1000Test, TooLong) {
  start_receiving(kRctlEnable | kRctlStripCrc);
  arrive(frame_to(kOwn, 1519));
  EXPECT_EQ(rx_status(0), 0);
  EXPECT_EQ(get(kRoc), 1u);
  arrive(frame_to(kOwn, 1518));
  EXPECT_EQ(rx_length(0), 1518);
}

// 3.2.2: long frames, over several buffers.
TEST_F(E1000Test, SeveralBuffers) {
  start_receiving(kRctlEnable | kRctlLong | kRctlStripCrc | 2 << 16);  // of 512 bytes
  Bytes frame = frame_to(kOwn, 1300);
  for (std::size_t i = 6; i < frame.size(); ++i) frame[i] = static_cast<u8>(i);
  arrive(frame);
  EXPECT_EQ(rx_status(0) & kRxEnd, 0);
  EXPECT_EQ(rx_status(2) & kRxEnd, kRxEnd);
  Bytes all;
  for (u32 i = 0; i < 3; ++i) {
    const Bytes piece = rx_bytes(i);
    all.insert(all.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(all, frame);
}

// What there is no descriptor for waits with the back end until the driver gives one.
TEST_F(E1000Test, WaitsForDescriptors) {
  start_receiving(kRctlEnable | kRctlStripCrc, 2);
  for (u8 i = 0; i < 4; ++i) network->arrive(frame_to(kOwn, 100, i));
  EXPECT_TRUE(soon([&] { return rx_status(1) != 0; }));
  network->wait_arrived(arrivals += 2);
  EXPECT_EQ(rx_status(2), 0);
  EXPECT_EQ(get(kRdh), 2u);
  set(kRdt, 7);
  EXPECT_TRUE(soon([&] { return rx_status(3) != 0; }));
  EXPECT_EQ(rx_bytes(3)[99], 3);
}

// 13.4.22 RDMTS: half of the ring, a quarter, an eighth.
TEST_F(E1000Test, FewDescriptorsLeft) {
  start_receiving(kRctlEnable | 1 << 8);
  for (u32 left = 6; left >= 3; --left) {
    get(kIcr);
    arrive(frame_to(kOwn, 100));
    EXPECT_EQ(get(kIcr) & kRxFew, 0u) << left;
  }
  arrive(frame_to(kOwn, 100));
  EXPECT_EQ(get(kIcr) & kRxFew, kRxFew);
}

// 3.2.9: the network vouches for its checksums.
TEST_F(E1000Test, ReceivedSums) {
  Bytes frame = frame_to(kOwn, 100, 0);
  store_be<u16>(&frame[12], 0x0800);
  frame[14] = 0x45;
  frame[23] = 6;
  set(kRxcsum, kRxcsumTcp | kRxcsumIp);
  start_receiving();
  arrive(frame);
  EXPECT_EQ(rx_status(0), kRxDone | kRxEnd | kRxTcpSummed | kRxIpSummed);
  frame[20] = 0x20;  // a fragment
  arrive(frame);
  EXPECT_EQ(rx_status(1), kRxDone | kRxEnd | kRxIgnoreSums);
  set(kRxcsum, 0);
  frame[20] = 0;
  arrive(frame);
  EXPECT_EQ(rx_status(2), kRxDone | kRxEnd | kRxIgnoreSums);
}

TEST_F(E1000Test, Sends) {
  set(kIms, kTxDone);
  start_sending();
  const Bytes frame = frame_to(kOther, 300);
  memory().write(Gpa{kTxBuffers}, frame);
  put(legacy(kTxBuffers, 100, 0));
  put(legacy(kTxBuffers + 100, 200, kTxEnd | kTxReport));
  send();
  EXPECT_EQ(sent(1), std::vector<Bytes>{frame});
  EXPECT_TRUE(soon([&] { return get(kTdh) == 2; }));
  EXPECT_EQ(tx_status(0), 0);
  EXPECT_EQ(tx_status(1), kTxDescriptorDone);
  EXPECT_TRUE(bench.wires.level());
  EXPECT_EQ(get(kIcr), kTxDone | kTxEmpty);
}

TEST_F(E1000Test, FrameComesInParts) {
  start_sending();
  memory().write(Gpa{kTxBuffers}, frame_to(kOther, 100));
  put(legacy(kTxBuffers, 60, 0));
  send();
  EXPECT_TRUE(soon([&] { return get(kTdh) == 1; }));
  put(legacy(kTxBuffers + 60, 40, kTxEnd));
  send();
  EXPECT_EQ(sent(1), std::vector<Bytes>{frame_to(kOther, 100)});
}

// 3.3.3: one checksum, from a byte to the end; a VLAN tag.
TEST_F(E1000Test, LegacySumAndTag) {
  set(kCtrl, get(kCtrl) | kCtrlVlan);
  start_sending();
  Bytes frame = frame_to(kOther, 100);
  memory().write(Gpa{kTxBuffers}, frame);
  put(legacy(kTxBuffers, 100, kTxEnd | kTxInsertSum | kTxVlan, 50, 34, 0x2007));
  send();
  store_be(&frame[50], static_cast<u16>(~internet_sum(std::span(frame).subspan(34))));
  frame.insert(frame.begin() + 12, {0x81, 0x00, 0x20, 0x07});
  EXPECT_EQ(sent(1), std::vector<Bytes>{frame});
}

// 3.3.6, 3.3.7: places in a context descriptor, for all frames behind it.
TEST_F(E1000Test, SumsByContext) {
  start_sending();
  Bytes frame = frame_to(kOther, 100);
  memory().write(Gpa{kTxBuffers}, frame);
  put(context({14, 24, 33}, {34, 50, 0}, 0, 0, 0, 0));
  put(data(kTxBuffers, 100, kTxEnd, 3));
  put(data(kTxBuffers, 100, kTxEnd, 1));
  put(data(kTxBuffers, 100, kTxEnd, 0));
  send();
  Bytes ip_alone = frame, both = frame;
  store_be(&ip_alone[24], static_cast<u16>(~internet_sum(std::span(frame).subspan(14, 20))));
  store_be(&both[24], load_be<u16>(&ip_alone[24]));
  store_be(&both[50], static_cast<u16>(~internet_sum(std::span(frame).subspan(34))));
  EXPECT_EQ(sent(3), (std::vector<Bytes>{both, ip_alone, frame}));
}

Bytes tcp_frame(std::size_t payload) {
  Bytes f = frame_to(kOther, 54, 0);
  store_be<u16>(&f[12], 0x0800);
  f[14] = 0x45;
  f[23] = 6;
  f[46] = 0x50;
  for (std::size_t i = 0; i < payload; ++i) f.push_back(static_cast<u8>(i));
  return f;
}

class E1000Segments : public E1000Test {
 protected:
  explicit E1000Segments(NetTraits traits = {1500, false, false}) : E1000Test(traits) {}
  std::vector<Bytes> send_large(std::size_t segments) {
    start_sending();
    memory().write(Gpa{kTxBuffers}, tcp_frame(4000));
    put(context({14, 24, 33}, {34, 50, 0}, 4000, kTxSegment | 3, 54, 1460));
    put(data(kTxBuffers, 54, kTxSegment, 3));
    put(data(kTxBuffers + 54, 4000, kTxSegment | kTxEnd | kTxReport, 3));
    send();
    return sent(segments);
  }
};
// 3.5: how segments are made is in segment_test.
TEST_F(E1000Segments, OnAPlainNetwork) {
  const std::vector<Bytes> got = send_large(3);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0].size(), 54u + 1460);
  EXPECT_EQ(got[2].size(), 54u + 4000 - 2 * 1460);
  EXPECT_EQ(load_be<u32>(&got[2][38]), 2920u);
}

class E1000LargeSegments : public E1000Segments {
 protected:
  E1000LargeSegments() : E1000Segments({1500, true, true}) {}
};
TEST_F(E1000LargeSegments, OnOneThatTakesThem) {
  const std::vector<Bytes> got = send_large(1);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].size(), 4054u);
  EXPECT_EQ(load_be<u16>(&got[0][16]), 4040);
  EXPECT_EQ(internet_sum(std::span(got[0]).subspan(14, 20)), 0xffff);
}

TEST_F(E1000Test, Loopback) {
  start_receiving(kRctlEnable | kRctlStripCrc | 1 << 6);
  start_sending();
  memory().write(Gpa{kTxBuffers}, frame_to(kOwn, 100));
  put(legacy(kTxBuffers, 100, kTxEnd));
  send();
  EXPECT_TRUE(soon([&] { return rx_status(0) != 0; }));
  EXPECT_EQ(rx_bytes(0), frame_to(kOwn, 100));
}

// 13.7: read once.
TEST_F(E1000Test, Statistics) {
  start_receiving();
  start_sending();
  arrive(frame_to(kOwn, 100));
  arrive(frame_to(kAll, 200));
  memory().write(Gpa{kTxBuffers}, frame_to(kOther, 100));
  put(legacy(kTxBuffers, 100, kTxEnd));
  send();
  sent(1);
  EXPECT_EQ(get(kGprc), 2u);
  EXPECT_EQ(get(kBprc), 1u);
  EXPECT_EQ(get(kGorc), 308u);
  EXPECT_EQ(get(kGptc), 1u);
  EXPECT_EQ(get(kGotc), 104u);
  EXPECT_EQ(get(kGprc), 0u);
}

TEST_F(E1000Test, MovesWithItsState) {
  start_sending();
  set(kIms, kLinkChanged);
  set(kIcs, kLinkChanged);
  memory().write(Gpa{kTxBuffers}, frame_to(kOther, 100));
  put(legacy(kTxBuffers, 60, 0));
  send();
  EXPECT_TRUE(soon([&] { return get(kTdh) == 1; }));
  ASSERT_TRUE(card->quiesce());
  snapshot::StateWriter writer;
  card->save(writer);
  card->reset(machine::ResetKind::PowerOn);  // lets go of the wire
  card = make();
  auto reader = snapshot::StateReader::open(writer.finish());
  ASSERT_TRUE(card->load(reader.value()));
  card->resume();
  EXPECT_TRUE(bench.wires.level());
  put(legacy(kTxBuffers + 60, 40, kTxEnd));
  send();
  EXPECT_EQ(sent(1), std::vector<Bytes>{frame_to(kOther, 100)});
}

// Registers, rings and descriptors of any content, while frames arrive.
TEST_F(E1000Test, Garbage) {
  const u64 seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  static constexpr u32 kRegisters[] = {kRctl,  kTctl, kRdbal, kRdlen, kRdh,    kRdt, kTdbal,
                                       kTdlen, kTdh,  kTdt,   kIms,   kImc,    kIcs, kItr,
                                       kCtrl,  kMdic, kEecd,  kEerd,  kRxcsum, kRal, kRah};
  start_receiving();
  start_sending();
  for (unsigned i = 0; i < 3000; ++i) {
    const u32 small = static_cast<u32>(random() % 64), any = static_cast<u32>(random());
    for (unsigned n = 0; n < 8; ++n)
      memory().write_value(Gpa{random() % MiB & ~u64{7}}, random() % 3 ? random() % MiB : random());
    set(kRegisters[random() % std::size(kRegisters)], random() % 2 ? small : any);
    set(kTctl, kTctlEnable);
    set(kTdlen, kTxCount * 16);
    set(kTdh, static_cast<u32>(random() % kTxCount));
    set(kTdt, static_cast<u32>(random() % kTxCount));
    if (i % 4 == 0) network->arrive(Bytes(14 + random() % 3000, static_cast<u8>(random())));
    if (i % 16 == 0) get(static_cast<u32>(random() % 0x20000));
  }
  card->reset(machine::ResetKind::System);
  place(*card);
  network->wait_sent(0);
  tx_tail = 0;
  start_sending();
  memory().write(Gpa{kTxBuffers}, frame_to(kOther, 77));
  put(legacy(kTxBuffers, 77, kTxEnd));
  send();
  EXPECT_TRUE(soon([&] {
    const std::vector<Bytes> got = network->wait_sent(1);
    return !got.empty() && got.back() == frame_to(kOther, 77);
  }));
}

}  // namespace
}  // namespace tandem::tests
