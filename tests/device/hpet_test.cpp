// HPET. Sections: IA-PC HPET specification 1.0a, 2.3. The counter has 100 MHz.
#include "devices/platform/hpet.h"

#include <gtest/gtest.h>

#include "tests/support/device_bench.h"

namespace tandem::tests {
namespace {

using devices::Hpet;

constexpr u64 kBase = 0xfed00000, kConfig = 0x10, kStatus = 0x20, kCounter = 0xf0;
constexpr u64 kEnable = 1, kLegacy = 2;
constexpr u64 kLevel = 0x02, kInterrupt = 0x04, kPeriodic = 0x08, kValueSet = 0x40, k32Bit = 0x100,
              kFsb = 0x4000;
constexpr u64 timer_config(unsigned n) { return 0x100 + 0x20 * n; }
constexpr u64 timer_comparator(unsigned n) { return 0x108 + 0x20 * n; }
constexpr u64 timer_fsb(unsigned n) { return 0x110 + 0x20 * n; }
constexpr u64 route(u64 pin) { return pin << 9; }
constexpr i64 kTick = 10;
constexpr unsigned kPitWire = 0, kRtcWire = 8, kPin = 20;

class HpetTest : public testing::Test {
 protected:
  HpetTest() { bench.map_memory(kBase, 0x400, hpet); }
  Hpet::Wiring wiring() {
    Hpet::Wiring w;
    for (unsigned i = 0; i < WireProbe::kWires; ++i) w.routes.push_back(&bench.wires.wire(i));
    w.legacy[0] = &bench.wires.wire(kPitWire);
    w.legacy[1] = &bench.wires.wire(kRtcWire);
    w.set_legacy = [this](bool on) { legacy.push_back(on); };
    w.msi = &msi;
    return w;
  }
  u64 get(u64 reg) { return bench.read(kBase + reg, 8); }
  void set(u64 reg, u64 value) { bench.write(kBase + reg, value, 8); }
  void ticks(i64 n) { bench.clock.advance(n * kTick); }
  void start(u64 config = kEnable) { set(kConfig, config); }
  unsigned edges(unsigned wire = kPin) { return bench.wires.take_edges(wire); }

  DeviceBench bench;
  MsiLog msi;
  std::vector<bool> legacy;
  Hpet hpet{bench.context(), wiring()};
};

// 2.3.4 "General capabilities and ID register".
TEST_F(HpetTest, Capabilities) {
  const u64 caps = get(0);
  EXPECT_EQ(caps >> 32, 10'000'000u) << "femtoseconds a tick";
  EXPECT_TRUE(caps & 1 << 15) << "legacy replacement";
  EXPECT_TRUE(caps & 1 << 13) << "64-bit counter";
  EXPECT_EQ(caps >> 8 & 0x1f, 2u) << "three timers";
  EXPECT_NE(caps & 0xff, 0u) << "a revision";
  set(0, 0);
  EXPECT_EQ(get(0), caps);
  EXPECT_EQ(bench.read(kBase + 4), caps >> 32);
}

// 2.3.5, 2.3.7: the counter runs while enabled and is written while it is not.
TEST_F(HpetTest, MainCounter) {
  ticks(100);
  EXPECT_EQ(get(kCounter), 0u);
  start();
  ticks(100);
  EXPECT_EQ(get(kCounter), 100u);
  set(kConfig, 0);
  ticks(100);
  EXPECT_EQ(get(kCounter), 100u);
  set(kCounter, 0x1'0000'0000 - 5);
  start();
  ticks(10);
  EXPECT_EQ(get(kCounter), 0x1'0000'0005u);
  EXPECT_EQ(bench.read(kBase + kCounter), 5u);
  EXPECT_EQ(bench.read(kBase + kCounter + 4), 1u);
}

TEST_F(HpetTest, CounterWrittenInHalves) {
  bench.write(kBase + kCounter, 0x11223344);
  bench.write(kBase + kCounter + 4, 0x55667788);
  EXPECT_EQ(get(kCounter), 0x55667788'11223344u);
}

// 2.3.8: what a timer can do, and what of it is writable.
TEST_F(HpetTest, TimerConfiguration) {
  for (unsigned n = 0; n < 3; ++n) {
    const u64 caps = get(timer_config(n));
    EXPECT_TRUE(caps & 1 << 4) << "periodic";
    EXPECT_TRUE(caps & 1 << 5) << "64 bits";
    EXPECT_TRUE(caps & 1 << 15) << "messages";
    EXPECT_EQ(caps >> 32, 0x00f00004u) << "routes";
    set(timer_config(n), ~u64{0});
    EXPECT_EQ(get(timer_config(n)) & ~u64{kValueSet}, (caps | 0x7f0e));
    set(timer_config(n), 0);
    EXPECT_EQ(get(timer_config(n)) & ~u64{kValueSet}, caps);
  }
}

TEST_F(HpetTest, OneShot) {
  set(timer_config(1), kInterrupt | route(kPin));
  set(timer_comparator(1), 1000);
  start();
  ticks(999);
  EXPECT_EQ(edges(), 0u);
  ticks(1);
  EXPECT_EQ(edges(), 1u);
  ticks(10'000);
  EXPECT_EQ(edges(), 0u);
  set(timer_comparator(1), get(kCounter) + 50);
  ticks(50);
  EXPECT_EQ(edges(), 1u);
}

TEST_F(HpetTest, EachTimerHasItsRoute) {
  for (unsigned n = 0; n < 3; ++n) {
    set(timer_config(n), kInterrupt | route(20 + n));
    set(timer_comparator(n), 100 * (n + 1));
  }
  start();
  for (unsigned n = 0; n < 3; ++n) {
    ticks(100);
    for (unsigned other = 0; other < 3; ++other) EXPECT_EQ(edges(20 + other), other == n) << n << other;
  }
}

TEST_F(HpetTest, NoInterruptWithoutEnableOrRoute) {
  for (u64 config : {route(kPin), kInterrupt | route(5), u64{kInterrupt}}) {
    start(0);
    set(kCounter, 0);
    set(timer_config(2), config);
    set(timer_comparator(2), 100);
    start();
    ticks(200);
    for (unsigned wire = 0; wire < WireProbe::kWires; ++wire) EXPECT_EQ(edges(wire), 0u) << wire;
  }
}

// 2.3.9.2.2 "Periodic mode": the value written after VAL_SET is the next match, the one after it the period.
TEST_F(HpetTest, Periodic) {
  set(timer_config(0), kInterrupt | kPeriodic | kValueSet | route(kPin));
  set(timer_comparator(0), 5000);
  set(timer_comparator(0), 1000);
  start();
  ticks(4999);
  EXPECT_EQ(edges(), 0u);
  ticks(1);
  EXPECT_EQ(edges(), 1u);
  EXPECT_EQ(get(timer_comparator(0)), 6000u);
  ticks(10'000);
  EXPECT_EQ(edges(), 10u);
}

TEST_F(HpetTest, PeriodicByOneWrite) {
  set(timer_config(0), kInterrupt | kPeriodic | kValueSet | route(kPin));
  set(timer_comparator(0), 1000);
  start();
  ticks(5500);
  EXPECT_EQ(edges(), 5u);
}

// A busy host: interrupts that the guest did not see follow; not those of a timer that was set anew.
TEST_F(HpetTest, PeriodicMatchesThatWereMissedFollow) {
  set(timer_config(0), kInterrupt | kPeriodic | kValueSet | route(kPin));
  set(timer_comparator(0), 400'000);
  start();
  bench.clock.jump(3 * 4 * time::kMillisecond);
  EXPECT_EQ(edges(), 1u);
  EXPECT_EQ(get(timer_comparator(0)), 1'600'000u);
  for (unsigned i = 0; i < 5; ++i) bench.acknowledgements.tell();
  EXPECT_EQ(edges(), 2u);

  for (const auto& anew : std::initializer_list<std::function<void()>>{
           [&] { set(timer_comparator(0), 400'000); },
           [&] { start(kEnable | kLegacy); },
       }) {
    bench.clock.jump(3 * 4 * time::kMillisecond);
    EXPECT_EQ(edges(), 1u);
    anew();
    bench.acknowledgements.tell();
    EXPECT_EQ(edges() + edges(kPitWire), 0u);
  }
}

TEST_F(HpetTest, PeriodicOf32Bits) {
  set(kCounter, 0x1'ffff'fe00);
  set(timer_config(0), kInterrupt | kPeriodic | kValueSet | k32Bit | route(kPin));
  bench.write(kBase + timer_comparator(0), 0x100);
  bench.write(kBase + timer_comparator(0), 0x400);
  start();
  ticks(0x300);
  EXPECT_EQ(edges(), 1u);
  EXPECT_EQ(get(timer_comparator(0)), 0x500u);
  ticks(0x400);
  EXPECT_EQ(edges(), 1u);
}

TEST_F(HpetTest, PeriodOfZeroEnds) {
  set(timer_config(0), kInterrupt | kPeriodic | k32Bit | route(kPin));
  set(kCounter, 0xffff'ff00);
  start();
  ticks(0x200);
  EXPECT_LE(edges(), 1u);
}

// 2.3.9.2.1: 32-bit mode compares the low half, and so again after each wrap.
TEST_F(HpetTest, OneShotOf32BitsMatchesAtEachWrap) {
  set(kCounter, 0x5'0000'0000);
  set(timer_config(0), kInterrupt | k32Bit | route(kPin));
  set(timer_comparator(0), 0x9'0000'0100);
  EXPECT_EQ(get(timer_comparator(0)), 0x100u);
  start();
  ticks(0x100);
  EXPECT_EQ(edges(), 1u);
  ticks(0xffff'ffff);
  EXPECT_EQ(edges(), 0u);
  ticks(1);
  EXPECT_EQ(edges(), 1u);
}

TEST_F(HpetTest, OneShotOf64BitsDoesNot) {
  set(timer_config(0), kInterrupt | route(kPin));
  set(timer_comparator(0), 0x1'0000'0100);
  start();
  ticks(0x200);
  EXPECT_EQ(edges(), 0u);
  ticks(0x1'0000'0000);
  EXPECT_EQ(edges(), 1u);
}

// 2.3.6 "General interrupt status register".
TEST_F(HpetTest, LevelStaysUntilCleared) {
  set(timer_config(1), kInterrupt | kLevel | route(kPin));
  set(timer_comparator(1), 100);
  start();
  ticks(100);
  EXPECT_TRUE(bench.wires.level(kPin));
  EXPECT_EQ(get(kStatus), 0x2u);
  set(kStatus, 0x5);
  EXPECT_TRUE(bench.wires.level(kPin)) << "others' bits";
  bench.write(kBase + kStatus, 0x2);
  EXPECT_FALSE(bench.wires.level(kPin));
  EXPECT_EQ(get(kStatus), 0u);
}

TEST_F(HpetTest, StatusWithoutInterrupt) {
  set(timer_config(1), kLevel | route(kPin));
  set(timer_comparator(1), 100);
  start();
  ticks(100);
  EXPECT_FALSE(bench.wires.level(kPin));
  EXPECT_EQ(get(kStatus), 0x2u);
  set(timer_config(1), kInterrupt | kLevel | route(kPin));
  EXPECT_TRUE(bench.wires.level(kPin));
}

TEST_F(HpetTest, EdgesHaveNoStatus) {
  set(timer_config(1), kInterrupt | route(kPin));
  set(timer_comparator(1), 100);
  start();
  ticks(100);
  EXPECT_EQ(get(kStatus), 0u);
}

// 2.3.5, LEG_RT_CNF: timers 0 and 1 take the places of PIT and RTC, whatever their routes.
TEST_F(HpetTest, LegacyReplacement) {
  for (unsigned n = 0; n < 3; ++n) {
    set(timer_config(n), kInterrupt | route(kPin));
    set(timer_comparator(n), 100);
  }
  start(kEnable | kLegacy);
  EXPECT_EQ(legacy, std::vector<bool>{true});
  ticks(100);
  EXPECT_EQ(edges(kPitWire), 1u);
  EXPECT_EQ(edges(kRtcWire), 1u);
  EXPECT_EQ(edges(kPin), 1u) << "timer 2";
  set(kConfig, kEnable);
  EXPECT_EQ(legacy, (std::vector<bool>{true, false}));
  for (unsigned n = 0; n < 2; ++n) set(timer_comparator(n), get(kCounter) + 100);
  ticks(100);
  EXPECT_EQ(edges(kPitWire), 0u);
  EXPECT_EQ(edges(kPin), 2u);
}

TEST_F(HpetTest, ResetGivesTheLegacyInterruptsBack) {
  start(kEnable | kLegacy);
  hpet.reset(machine::ResetKind::System);
  EXPECT_EQ(legacy, (std::vector<bool>{true, false}));
  EXPECT_EQ(get(kConfig), 0u);
  EXPECT_EQ(get(kCounter), 0u);
}

// 2.3.10 "FSB interrupt route register".
TEST_F(HpetTest, MessageInsteadOfAPin) {
  set(timer_config(2), kInterrupt | kFsb | route(kPin));
  set(timer_fsb(2), 0xfee01000'00000043);
  set(timer_comparator(2), 100);
  start();
  ticks(100);
  EXPECT_EQ(edges(), 0u);
  ASSERT_EQ(msi.messages.size(), 1u);
  EXPECT_EQ(msi.messages[0].address, 0xfee01000u);
  EXPECT_EQ(msi.messages[0].data, 0x43u);
}

}  // namespace
}  // namespace tandem::tests
