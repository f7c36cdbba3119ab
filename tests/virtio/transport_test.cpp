// The PCI transport, MSI-X and what all virtio devices have in common. Sections: VIRTIO 1.2, PCI 3.0.
#include "devices/virtio/entropy.h"
#include "tests/virtio/virtio_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices;
using namespace devices::virtio;

class TransportTest : public VirtioTest {
 protected:
  TransportTest() {
    plug(std::make_unique<Entropy>(bench.context(), "rng", [](std::span<u8> bytes) {
      for (u8& b : bytes) b = 7;
    }));
  }
  u32 config(unsigned offset, unsigned size = 4) { return transport->read_config(offset, size); }
};

constexpr RingForm kPlain{false, false, false};

TEST_F(TransportTest, Identity) {
  EXPECT_EQ(config(0), 0x10051af4u) << "a transitional entropy source";
  EXPECT_EQ(config(pci::kRevision, 1), 0u);
  EXPECT_EQ(config(pci::kSubsystem, 2), 4u);
}

// 4.1.4: each structure once, in the BAR; and MSI-X.
TEST_F(TransportTest, Capabilities) {
  std::map<u32, u32> offsets;
  bool msix = false;
  for (unsigned at = config(pci::kCapabilities, 1); at; at = config(at + 1, 1)) {
    if (config(at, 1) == pci::kCapabilityMsix) {
      msix = true;
      EXPECT_EQ(config(at + 2, 2), 1u) << "two vectors";
      EXPECT_EQ(config(at + 4), 1u);
      continue;
    }
    ASSERT_EQ(config(at, 1), pci::kCapabilityVendor);
    EXPECT_EQ(config(at + 4, 1), 4u);
    offsets[config(at + 3, 1)] = config(at + 8);
  }
  EXPECT_TRUE(msix);
  EXPECT_EQ(offsets, (std::map<u32, u32>{{1, 0}, {2, 0x3000}, {3, 0x1000}, {4, 0x2000}, {5, 0}}));
}

// 4.1.4.9: the BAR through configuration space.
TEST_F(TransportTest, WindowInConfigurationSpace) {
  unsigned window = 0;
  for (unsigned at = config(pci::kCapabilities, 1); at; at = config(at + 1, 1))
    if (config(at, 1) == pci::kCapabilityVendor && config(at + 3, 1) == 5) window = at;
  ASSERT_TRUE(window);
  const auto aim = [&](u32 offset, u32 size) {
    transport->write_config(window + 4, 1, 4);
    transport->write_config(window + 8, 4, offset);
    transport->write_config(window + 12, 4, size);
  };
  aim(0x12, 2);
  EXPECT_EQ(config(window + 16) & 0xffff, 1u) << "queues";
  aim(0x14, 1);
  transport->write_config(window + 16, 1, kAcknowledge);
  EXPECT_EQ(status(), kAcknowledge);
  aim(0x4000, 4);
  transport->write_config(window + 16, 4, 0);
  aim(0x13, 2);
  transport->write_config(window + 16, 4, 0);
  EXPECT_EQ(status(), kAcknowledge) << "outside and misaligned accesses vanish";
}

// 2.2.2, 3.1.1
TEST_F(TransportTest, FeaturesThatAreNotOfferedAreRefused) {
  EXPECT_EQ(offered() & (kVersion1 | kPacked | kEventIndex | kIndirect),
            kVersion1 | kPacked | kEventIndex | kIndirect);
  negotiate(kVersion1 | u64{1} << 50);
  EXPECT_FALSE(status() & kFeaturesOk);
  negotiate(0);
  EXPECT_FALSE(status() & kFeaturesOk) << "a modern driver must accept VERSION_1";
  negotiate(kVersion1);
  EXPECT_TRUE(status() & kFeaturesOk);
  accept(0);
  set(8, 1, 4);
  EXPECT_EQ(get(12, 4), 1u) << "fixed from then on";
}

TEST_F(TransportTest, QueueRegisters) {
  EXPECT_EQ(get(0x12, 2), 1u);
  set(0x16, 0, 2);
  EXPECT_EQ(get(0x18, 2), 64u);
  set(0x18, 128, 2);
  EXPECT_EQ(get(0x18, 2), 64u) << "larger than it may be";
  set(0x20, 0x12345678'9abcdef0, 8);
  EXPECT_EQ(get(0x20, 4), 0x9abcdef0u);
  EXPECT_EQ(get(0x24, 4), 0x12345678u);
  set(0x16, 1, 2);
  EXPECT_EQ(get(0x18, 2), 0u) << "no such queue";
  EXPECT_EQ(get(0x1a, 2), kNoVector);
}

TEST_F(TransportTest, KicksBeforeTheDriverIsReadyVanish) {
  negotiate(kPlain.features());
  DriverRing ring(memory(), kPlain, 8, kRing);
  set_up_queue(0, ring);
  ring.add(1, {{kData, 4, true}});
  kick();
  EXPECT_FALSE(ring.take_used());
  go();
  EXPECT_TRUE(ring.take_used()) << "what waited is found";
}

// 4.1.4.5: without MSI-X, the line and the interrupt status.
TEST_F(TransportTest, LineInterrupt) {
  negotiate(kPlain.features());
  DriverRing ring(memory(), kPlain, 8, kRing);
  set_up_queue(0, ring);
  go();
  ring.add(1, {{kData, 4, true}});
  kick();
  EXPECT_TRUE(bench.wires.level());
  EXPECT_EQ(get(0x1000, 1), 1u);
  EXPECT_FALSE(bench.wires.level());
  EXPECT_EQ(get(0x1000, 1), 0u);
  ring.add(1, {{0xd0000000, 4, true}});
  kick();
  EXPECT_EQ(get(0x1000, 1), 2u) << "a configuration change: the device needs a reset";
}

// PCI 6.8.2, 6.8.3.5
TEST_F(TransportTest, MaskedVectorsWait) {
  DriverRing ring = start(kPlain);
  const auto exchange = [&] {
    ring.add(1, {{kData, 4, true}});
    kick();
  };
  constexpr u64 kVector = kMsix + 16, kPendingBits = kMsix + 0x800;
  bench.write(kVector + 12, 1);
  exchange();
  exchange();
  EXPECT_EQ(msi.take(), std::vector<u32>{});
  EXPECT_EQ(bench.read(kPendingBits, 8), 2u);
  bench.write(kVector + 8, 77);
  bench.write(kVector + 12, 0);
  EXPECT_EQ(msi.take(), std::vector<u32>{77});
  EXPECT_EQ(bench.read(kPendingBits, 8), 0u);
  transport->write_config(kMsixControl, 2, pci::kMsixEnable | pci::kMsixMask);
  exchange();
  EXPECT_EQ(msi.take(), std::vector<u32>{});
  transport->write_config(kMsixControl, 2, pci::kMsixEnable);
  EXPECT_EQ(msi.take(), std::vector<u32>{77});
  set(0x1a, kNoVector, 2);
  exchange();
  EXPECT_EQ(msi.take(), std::vector<u32>{}) << "a queue without a vector";
}

TEST_F(TransportTest, ResetForgetsEverything) {
  DriverRing ring = start(kPlain);
  set_status(0);
  EXPECT_EQ(status(), 0u);
  set(0x16, 0, 2);
  EXPECT_EQ(get(0x1c, 2), 0u);
  EXPECT_EQ(get(0x1a, 2), kNoVector);
  set(8, 1, 4);
  EXPECT_EQ(get(12, 4), 0u);
  ring.add(1, {{kData, 4, true}});
  kick();
  EXPECT_FALSE(ring.take_used());
}

// 4.1.4.10: a driver of 0.9.5 gives the page of a ring whose parts follow each other.
TEST_F(TransportTest, LegacyDriver) {
  EXPECT_EQ(bench.in(kLegacy, 4) & (kIndirect | kEventIndex), kIndirect | kEventIndex);
  bench.out(kLegacy + 18, kAcknowledge | kDriver);
  bench.out(kLegacy + 4, 0, 4);
  bench.out(kLegacy + 14, 0, 2);
  EXPECT_EQ(bench.in(kLegacy + 12, 2), 64u);
  constexpr u64 kAvail = kRing + 64 * 16, kUsedRing = kRing + 0x1000;
  memory().fill(Gpa{kRing}, 0, 0x3000);
  bench.out(kLegacy + 8, kRing >> 12, 4);
  EXPECT_EQ(bench.in(kLegacy + 8, 4), kRing >> 12);
  bench.out(kLegacy + 18, kAcknowledge | kDriver | kDriverOk);
  memory().write_value<u64>(Gpa{kRing}, kData);
  memory().write_value<u64>(Gpa{kRing + 8}, 6 | u64{virtio::kWrite} << 32);
  memory().write_value<u16>(Gpa{kAvail + 2}, 1);
  bench.out(kLegacy + 16, 0, 2);
  EXPECT_EQ(memory().read_value<u16>(Gpa{kUsedRing + 2}), 1u);
  EXPECT_EQ(memory().read_value<u32>(Gpa{kUsedRing + 8}), 6u);
  EXPECT_EQ(in_memory(kData, 7), (std::vector<u8>{7, 7, 7, 7, 7, 7, 0}));
  EXPECT_TRUE(bench.wires.level());
  EXPECT_EQ(bench.in(kLegacy + 19), 1u);
  EXPECT_FALSE(bench.wires.level());
  bench.out(kLegacy + 18, 0);
  EXPECT_EQ(bench.in(kLegacy + 8, 4), 0u);
}

}  // namespace
}  // namespace tandem::tests
