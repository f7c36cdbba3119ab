// Where a driver's notifications can be taken without stopping a vCPU: at the queues in use, wherever the BAR
// is.
#include <gmock/gmock.h>

#include "devices/virtio/balloon.h"
#include "tests/virtio/virtio_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices;
using namespace devices::virtio;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr RingForm kPlain{false, false, false};

class DoorbellTest : public VirtioTest {
 protected:
  ~DoorbellTest() override { transport.reset(); }
  std::vector<u64> doorbells() {
    std::vector<u64> all;
    for (const bus::Doorbell& d : bench.context().mmio.doorbells()) all.push_back(d.address);
    return all;
  }
  void plug_balloon() { plug(std::make_unique<Balloon>(bench.context(), "balloon")); }
  // Uses the queues 0 and 1 of two or more.
  void start_two() {
    negotiate(kPlain.features());
    set_up_queue(0, first);
    set_up_queue(1, second);
    go();
  }
  DriverRing first{memory(), kPlain, 8, kRing}, second{memory(), kPlain, 8, kRing + 0x1000};
};

TEST_F(DoorbellTest, AreAtTheQueuesInUse) {
  plug_balloon();
  EXPECT_THAT(doorbells(), IsEmpty());
  negotiate(kPlain.features());
  set_up_queue(1, second);
  EXPECT_THAT(doorbells(), IsEmpty()) << "before DRIVER_OK";
  go();
  EXPECT_THAT(doorbells(), ElementsAre(kNotify + 4));
  set_up_queue(0, first);
  EXPECT_THAT(doorbells(), ElementsAre(kNotify, kNotify + 4)) << "enabled later";
}

TEST_F(DoorbellTest, GoWhenTheDeviceIsReset) {
  plug_balloon();
  start_two();
  set_status(0);
  EXPECT_THAT(doorbells(), IsEmpty());
  start_two();
  EXPECT_THAT(doorbells(), ElementsAre(kNotify, kNotify + 4));
  transport->reset(machine::ResetKind::PowerOn);
  EXPECT_THAT(doorbells(), IsEmpty());
}

TEST_F(DoorbellTest, FollowTheBar) {
  plug_balloon();
  start_two();
  transport->write_config(0x20, 4, kModern + 0x100000);
  EXPECT_THAT(doorbells(), ElementsAre(kNotify + 0x100000, kNotify + 0x100004));
  transport->write_config(pci::kCommand, 2, 0);
  EXPECT_THAT(doorbells(), IsEmpty()) << "it decodes no memory";
  transport->write_config(pci::kCommand, 2, 7);
  EXPECT_THAT(doorbells(), ElementsAre(kNotify + 0x100000, kNotify + 0x100004));
}

TEST_F(DoorbellTest, ComeBackWithASavedState) {
  plug_balloon();
  start_two();
  ASSERT_TRUE(transport->quiesce());
  snapshot::StateWriter writer;
  transport->save(writer);
  set_status(0);
  auto reader = snapshot::StateReader::open(writer.finish()).take();
  ASSERT_TRUE(transport->load(reader));
  EXPECT_THAT(doorbells(), ElementsAre(kNotify, kNotify + 4));
}

TEST_F(DoorbellTest, AWriteThereIsANotification) {
  plug_balloon();
  start_two();
  memory().write_value<u32>(Gpa{kData}, 0x85);
  memory().fill(Gpa{0x85 << kPageShift}, 0x77, kPageSize);
  first.add(1, {{kData, 4}});
  const bus::Doorbell d = bench.context().mmio.doorbells().at(0);
  bus::IoAccess access{bus::BusKind::Mmio, bus::IoDir::Write, 2, VcpuId{0}, d.address, d.bell.offset, 0};
  d.handler->io(access);
  ASSERT_TRUE(transport->quiesce());
  EXPECT_TRUE(first.take_used());
}

// One place for all queues; what is written there says which.
TEST_F(DoorbellTest, OfADriverOf095AreValues) {
  plug_balloon();
  const bus::Bus& pio = bench.context().pio;
  const auto bells = [&] {
    std::vector<bus::Bell> all;
    for (const bus::Doorbell& d : pio.doorbells())
      if (d.address == kLegacy + 16) all.push_back(d.bell);
    return all;
  };
  bench.out(kLegacy + 18, kAcknowledge | kDriver);
  bench.out(kLegacy + 14, 1, 2);
  bench.out(kLegacy + 8, kRing >> 12, 4);
  EXPECT_THAT(bells(), IsEmpty()) << "before DRIVER_OK";
  bench.out(kLegacy + 18, kAcknowledge | kDriver | kDriverOk);
  EXPECT_THAT(bells(), ElementsAre(bus::Bell{16, 2, 1}));
  bench.out(kLegacy + 14, 0, 2);
  bench.out(kLegacy + 8, (kRing >> 12) + 8, 4);
  EXPECT_THAT(bells(), ElementsAre(bus::Bell{16, 2, 0}, bus::Bell{16, 2, 1})) << "enabled later";
  EXPECT_THAT(doorbells(), IsEmpty()) << "not where it does not write";
  bench.out(kLegacy + 18, 0);
  EXPECT_THAT(bells(), IsEmpty());
}

}  // namespace
}  // namespace tandem::tests
