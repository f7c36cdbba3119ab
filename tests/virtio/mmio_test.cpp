// The transport without a bus (VIRTIO 1.2, 4.2).
#include "devices/virtio/mmio_transport.h"

#include <gtest/gtest.h>

#include "devices/virtio/entropy.h"
#include "tests/support/device_bench.h"
#include "tests/virtio/mmio_driver.h"
#include "tests/virtio/virtio_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices::virtio;

constexpr u64 kBase = 0xfed80000, kRingAt = 0x10000, kData = 0x40000;

class MmioTest : public testing::TestWithParam<RingForm> {
 protected:
  MmioTest() { transport.place(mmio.claim({kBase, MmioTransport::kSize}, transport, "under test").take()); }

  u32 get(u64 offset) { return driver.get(offset); }
  void set(u64 offset, u32 value) { driver.set(offset, value); }
  DriverRing start(RingForm form) {
    driver.negotiate(form.features());
    DriverRing ring(bench.context().memory, form, 8, kRingAt);
    driver.set_up_queue(0, ring);
    driver.go();
    return ring;
  }

  DeviceBench bench;
  MmioTransport transport{
      std::make_unique<Entropy>(bench.context(), "rng",
                                [](std::span<u8> bytes) { std::ranges::fill(bytes, u8{7}); }),
      bench.wires.level_irq()};
  bus::Bus& mmio = bench.context().mmio;
  MmioDriver driver{mmio, kBase};
};

TEST_F(MmioTest, Identity) {
  EXPECT_EQ(get(0x00), 0x74726976u);
  EXPECT_EQ(get(0x04), 2u);
  EXPECT_EQ(get(0x08), 4u) << "an entropy source";
  EXPECT_EQ(get(0x34), 64u) << "the size of its queue";
  set(0x30, 1);
  EXPECT_EQ(get(0x34), 0u) << "there is one queue";
  EXPECT_EQ(get(0xb0), ~0u) << "no shared memory";
}

TEST_F(MmioTest, FeaturesComeInHalves) {
  set(0x14, 1);
  EXPECT_TRUE(get(0x10) & kVersion1 >> 32);
  set(0x14, 2);
  EXPECT_EQ(get(0x10), 0u);
  driver.negotiate(kIndirect);
  EXPECT_FALSE(get(0x70) & kFeaturesOk) << "without VERSION_1";
  driver.negotiate(kVersion1 | u64{1} << 50);
  EXPECT_FALSE(get(0x70) & kFeaturesOk) << "not offered";
  driver.negotiate(kVersion1 | kIndirect);
  EXPECT_TRUE(get(0x70) & kFeaturesOk);
}

// 4.2.2.2: other accesses to registers have no meaning.
TEST_F(MmioTest, OnlyWholeRegisters) {
  EXPECT_EQ(bench.read(kBase, 1), 0u);
  EXPECT_EQ(bench.read(kBase + 2, 2), 0u);
  bench.write(kBase + 0x70, kAcknowledge, 1);
  EXPECT_EQ(get(0x70), 0u);
}

TEST_P(MmioTest, BuffersAndInterrupts) {
  DriverRing ring = start(GetParam());
  ring.add(1, {{kData, 100, true}});
  set(0x50, 0);
  const auto used = ring.take_used();
  ASSERT_TRUE(used);
  EXPECT_EQ(used->written, 100u);
  EXPECT_EQ(bench.context().memory.read_value<u8>(Gpa{kData + 99}), 7);
  EXPECT_TRUE(bench.wires.level());
  EXPECT_EQ(get(0x60), u32{kIsrQueue});
  set(0x64, kIsrConfig);
  EXPECT_TRUE(bench.wires.level()) << "another one was acknowledged";
  set(0x64, kIsrQueue);
  EXPECT_FALSE(bench.wires.level());
}

// By its number.
TEST_F(MmioTest, DoorbellsAreThoseOfTheQueuesInUse) {
  EXPECT_TRUE(mmio.doorbells().empty());
  start({false, false, false});
  const bus::Doorbell wanted{bus::BusKind::Mmio, kBase + 0x50, {0x50, 4, 0}, &transport};
  EXPECT_EQ(mmio.doorbells(), std::vector{wanted});
  snapshot::StateWriter writer;
  transport.save(writer);
  set(0x70, 0);
  EXPECT_TRUE(mmio.doorbells().empty());
  auto reader = snapshot::StateReader::open(writer.finish()).take();
  ASSERT_TRUE(transport.load(reader));
  EXPECT_EQ(mmio.doorbells(), std::vector{wanted});
  transport.reset(machine::ResetKind::System);
  EXPECT_TRUE(mmio.doorbells().empty());
}

TEST_F(MmioTest, BrokenRingNeedsReset) {
  DriverRing ring = start({false, false, false});
  ring.add(1, {{u64{1} << 40, 100, true}});
  set(0x50, 0);
  EXPECT_TRUE(get(0x70) & kNeedsReset);
  EXPECT_EQ(get(0x60), u32{kIsrConfig});
  set(0x70, 0);
  EXPECT_EQ(get(0x70), 0u);
  EXPECT_FALSE(bench.wires.level());
  EXPECT_EQ(get(0x44), 0u) << "no queue is ready";
}

TEST_P(MmioTest, SavedInTheMiddle) {
  DriverRing ring = start(GetParam());
  ring.add(1, {{kData, 100, true}});
  set(0x50, 0);
  snapshot::StateWriter writer;
  transport.save(writer);
  const std::vector<u8> saved = writer.finish();
  transport.reset(machine::ResetKind::System);
  EXPECT_FALSE(bench.wires.level());
  auto reader = snapshot::StateReader::open(saved);
  ASSERT_TRUE(reader.ok() && transport.load(reader.value()).ok());
  transport.resume();
  EXPECT_TRUE(bench.wires.level());
  EXPECT_TRUE(ring.take_used());
  set(0x64, kIsrQueue);
  ring.ask_for_interrupt();
  ring.add(2, {{kData, 10, true}});
  set(0x50, 0);
  EXPECT_EQ(ring.take_used()->id, 2);
  EXPECT_TRUE(bench.wires.level());
}

INSTANTIATE_TEST_SUITE_P(Forms, MmioTest, testing::ValuesIn(ring_forms()), form_name);

}  // namespace
}  // namespace tandem::tests
