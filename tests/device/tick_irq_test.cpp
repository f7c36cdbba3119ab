// Ticks that a busy host made the guest miss. After KVM's PIT, which gives them later, too ("reinject").
#include "devices/platform/tick_irq.h"

#include <gtest/gtest.h>

#include "devices/platform/pit.h"
#include "tests/support/device_bench.h"

namespace tandem::tests {
namespace {

using irq::EdgeEffect;

class TickIrqTest : public testing::Test {
 protected:
  void tick(u64 count = 1, i64 period = 4 * time::kMillisecond) {
    const std::lock_guard lock(mutex);
    irq.tick(irq::EdgeIrq(bench.wires.wire()), count, period);
  }
  void forget() {
    const std::lock_guard lock(mutex);
    irq.forget();
  }
  // Interrupts by the time that the guest has taken so many, of whatever device.
  unsigned after(unsigned taken) {
    for (unsigned i = 0; i < taken; ++i) bench.acknowledgements.tell();
    return bench.wires.take_edges();
  }

  DeviceBench bench;
  std::mutex mutex;
  devices::TickIrq irq{bench.context(), mutex};
};

TEST_F(TickIrqTest, OneForEachThatIsTaken) {
  for (unsigned i = 0; i < 10; ++i) tick();
  EXPECT_EQ(after(20), 10u);
}

TEST_F(TickIrqTest, TheClockWasLate) {
  tick(5);
  EXPECT_EQ(after(0), 1u);
  EXPECT_EQ(after(1), 1u);
  EXPECT_EQ(after(2), 2u);
  EXPECT_EQ(after(20), 1u);
}

TEST_F(TickIrqTest, TheGuestDidNotRun) {
  tick();
  bench.wires.effect = EdgeEffect::Coalesced;
  for (unsigned i = 0; i < 3; ++i) tick();
  EXPECT_EQ(after(0), 4u);
  bench.wires.effect = EdgeEffect::Requested;
  EXPECT_EQ(after(20), 3u);
}

TEST_F(TickIrqTest, ItTookAnother) {
  tick(3);
  bench.wires.effect = EdgeEffect::Coalesced;
  after(7);
  bench.wires.effect = EdgeEffect::Requested;
  EXPECT_EQ(after(20), 2u);
}

TEST_F(TickIrqTest, NotWhatNobodyWants) {
  tick(5);
  bench.wires.effect = EdgeEffect::None;
  tick();
  bench.wires.effect = EdgeEffect::Requested;
  after(0);
  EXPECT_EQ(after(20), 0u);
}

TEST_F(TickIrqTest, MaskedMeanwhile) {
  tick(5);
  bench.wires.effect = EdgeEffect::None;
  after(1);
  bench.wires.effect = EdgeEffect::Requested;
  EXPECT_EQ(after(20), 0u);
}

TEST_F(TickIrqTest, SetAnew) {
  tick(5);
  forget();
  EXPECT_EQ(after(20), 1u);
}

TEST_F(TickIrqTest, AtMostThoseOfASecond) {
  tick(1'000'000);
  EXPECT_EQ(after(1000), 250u);
}

TEST_F(TickIrqTest, TooFastToCatchUp) {
  tick(5, 50 * time::kMicrosecond);
  EXPECT_EQ(after(20), 1u);
}

class PitTicks : public testing::Test {
 protected:
  PitTicks() { bench.map_ports(0x40, 4, pit.ports()); }
  // Counts of 10 ms.
  void program(unsigned mode) {
    bench.out(0x43, 0x30u | mode << 1);
    bench.out(0x40, 11932 & 0xff);
    bench.out(0x40, 11932 >> 8);
    bench.wires.take_edges();
  }
  unsigned edges() { return bench.wires.take_edges(); }
  unsigned taken(unsigned n) {
    for (unsigned i = 0; i < n; ++i) bench.acknowledgements.tell();
    return edges();
  }

  DeviceBench bench;
  devices::Pit pit{bench.context(), irq::EdgeIrq(bench.wires.wire())};
};

TEST_F(PitTicks, Follow) {
  for (const unsigned mode : {2u, 3u}) {
    SCOPED_TRACE(mode);
    program(mode);
    bench.clock.jump(55 * time::kMillisecond);
    EXPECT_EQ(edges(), 1u);
    EXPECT_EQ(taken(10), 4u);
  }
}

TEST_F(PitTicks, NotOfATimerSetAnew) {
  for (const unsigned mode : {2u, 3u}) {
    program(mode);
    bench.clock.jump(55 * time::kMillisecond);
    program(mode);
    EXPECT_EQ(taken(10), 0u) << mode;
  }
}

TEST_F(PitTicks, OneShotsAreNone) {
  for (const unsigned mode : {0u, 4u}) {
    program(mode);
    bench.clock.jump(55 * time::kMillisecond);
    EXPECT_EQ(edges(), 1u) << mode;
    EXPECT_EQ(taken(10), 0u) << mode;
  }
}

}  // namespace
}  // namespace tandem::tests
