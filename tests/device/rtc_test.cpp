// MC146818 clock. Sections: Motorola MC146818A data sheet.
#include "devices/platform/rtc.h"

#include <gtest/gtest.h>

#include "tests/support/device_bench.h"

namespace tandem::tests {
namespace {

using devices::Rtc;

constexpr u16 kIndex = 0x70, kData = 0x71;
enum : u8 {
  kSeconds = 0,
  kSecondsAlarm = 1,
  kMinutes = 2,
  kMinutesAlarm = 3,
  kHours = 4,
  kHoursAlarm = 5,
  kWeekday = 6,
  kDay = 7,
  kMonth = 8,
  kYear = 9,
  kA = 10,
  kB = 11,
  kC = 12,
  kD = 13,
  kCentury = 0x32
};
constexpr u8 kSet = 0x80, kPie = 0x40, kAie = 0x20, kUie = 0x10, kBinary = 0x04, k24Hour = 0x02;
constexpr u8 kIrqf = 0x80, kPf = 0x40, kAf = 0x20, kUf = 0x10;
constexpr u8 kUip = 0x80, kDividerReset = 0x70, kRunning = 0x26;
constexpr i64 kDate = 1'700'000'000;  // Tuesday, 2023-11-14 22:13:20 UTC

class RtcTest : public testing::Test {
 protected:
  RtcTest() { bench.map_ports(kIndex, 2, rtc); }
  u8 get(u8 index) {
    bench.out(kIndex, index);
    return static_cast<u8>(bench.in(kData));
  }
  void set(u8 index, u8 value) {
    bench.out(kIndex, index);
    bench.out(kData, value);
  }
  bool irq() const { return bench.wires.level(8); }
  void set_time(u8 hours, u8 minutes, u8 seconds) {
    set(kHours, hours);
    set(kMinutes, minutes);
    set(kSeconds, seconds);
  }
  void set_alarm(u8 hours, u8 minutes, u8 seconds) {
    set(kHoursAlarm, hours);
    set(kMinutesAlarm, minutes);
    set(kSecondsAlarm, seconds);
  }

  DeviceBench bench;
  Rtc rtc{bench.context(), bench.wires.level_irq(8), [] { return kDate; }};
};

struct Value {
  u8 index, value;
};

// Table 3, "Time, calendar and alarm data modes".
TEST_F(RtcTest, DateInEachFormat) {
  struct Row {
    const char* name;
    u8 b;
    u8 hours, minutes, seconds, weekday, day, month, year, century;
  };
  for (const Row& r : {Row{"BCD, 24 hours", k24Hour, 0x22, 0x13, 0x20, 3, 0x14, 0x11, 0x23, 0x20},
                       Row{"BCD, 12 hours", 0, 0x90, 0x13, 0x20, 3, 0x14, 0x11, 0x23, 0x20},
                       Row{"binary, 24 hours", k24Hour | kBinary, 22, 13, 20, 3, 14, 11, 23, 20},
                       Row{"binary, 12 hours", kBinary, 0x8a, 13, 20, 3, 14, 11, 23, 20}}) {
    SCOPED_TRACE(r.name);
    set(kB, r.b);
    for (const Value& v : {Value{kHours, r.hours}, Value{kMinutes, r.minutes}, Value{kSeconds, r.seconds},
                           Value{kWeekday, r.weekday}, Value{kDay, r.day}, Value{kMonth, r.month},
                           Value{kYear, r.year}, Value{kCentury, r.century}})
      EXPECT_EQ(get(v.index), v.value) << "register " << int{v.index};
  }
}

TEST_F(RtcTest, HoursOfTheTwelveHourClock) {
  struct Row {
    u8 of_24, of_12;
  };
  for (const Row& row : {Row{0x00, 0x12}, Row{0x01, 0x01}, Row{0x11, 0x11}, Row{0x12, 0x92}, Row{0x13, 0x81},
                         Row{0x23, 0x91}}) {
    set(kB, k24Hour);
    set(kHours, row.of_24);
    set(kB, 0);
    EXPECT_EQ(get(kHours), row.of_12);
    set(kHours, row.of_12);
    set(kB, k24Hour);
    EXPECT_EQ(get(kHours), row.of_24);
  }
}

// "Update cycle": the calendar carries over.
TEST_F(RtcTest, CalendarCarries) {
  struct Row {
    const char* name;
    u8 century, year, month, day;
    u8 next_century, next_year, next_month, next_day;
  };
  for (const Row& r :
       {Row{"month", 20, 23, 4, 30, 20, 23, 5, 1}, Row{"year", 19, 99, 12, 31, 20, 0, 1, 1},
        Row{"leap year", 20, 24, 2, 28, 20, 24, 2, 29}, Row{"no leap year", 20, 23, 2, 28, 20, 23, 3, 1},
        Row{"leap century", 20, 0, 2, 28, 20, 0, 2, 29}}) {
    SCOPED_TRACE(r.name);
    set(kB, kSet | k24Hour | kBinary);
    for (const Value& v :
         {Value{kCentury, r.century}, Value{kYear, r.year}, Value{kMonth, r.month}, Value{kDay, r.day}})
      set(v.index, v.value);
    set_time(23, 59, 59);
    set(kB, k24Hour | kBinary);
    bench.clock.advance(time::kSecond);
    for (const Value& v : {Value{kCentury, r.next_century}, Value{kYear, r.next_year},
                           Value{kMonth, r.next_month}, Value{kDay, r.next_day}, Value{kHours, 0}})
      EXPECT_EQ(get(v.index), v.value) << "register " << int{v.index};
  }
}

// "Register A": UIP rises 244 microseconds before the update.
TEST_F(RtcTest, UpdateInProgressWarns) {
  bench.clock.advance(time::kSecond - 300 * time::kMicrosecond);
  EXPECT_FALSE(get(kA) & kUip);
  bench.clock.advance(100 * time::kMicrosecond);
  EXPECT_TRUE(get(kA) & kUip);
  EXPECT_EQ(get(kSeconds), 0x20);
  bench.clock.advance(time::kSecond - 800 * time::kMicrosecond);
  EXPECT_FALSE(get(kA) & kUip);
  EXPECT_EQ(get(kSeconds), 0x21);
}

TEST_F(RtcTest, UpdateInProgressIsReadOnly) {
  set(kA, kUip | kRunning);
  EXPECT_EQ(get(kA), kRunning);
}

// "Register B", SET: no updates, no UIP; UIE goes.
TEST_F(RtcTest, SetStopsUpdates) {
  set(kB, kUie | k24Hour);
  set(kB, kSet | kUie | k24Hour);
  EXPECT_EQ(get(kB), kSet | k24Hour) << "SET clears UIE";
  bench.clock.advance(time::kSecond - 100 * time::kMicrosecond);
  EXPECT_FALSE(get(kA) & kUip);
  bench.clock.advance(2 * time::kSecond);
  EXPECT_EQ(get(kSeconds), 0x20);
  EXPECT_EQ(get(kC) & kUf, 0);
}

// "Register B": SET stops the copy to the registers, not the divider.
TEST_F(RtcTest, SetLeavesTheDividerAlone) {
  bench.clock.advance(300 * time::kMillisecond);
  set(kB, kSet | k24Hour);
  set(kSeconds, 0x40);
  bench.clock.advance(100 * time::kMillisecond);
  set(kB, k24Hour);
  EXPECT_EQ(get(kSeconds), 0x40);
  bench.clock.advance(599 * time::kMillisecond);
  EXPECT_EQ(get(kSeconds), 0x40);
  bench.clock.advance(2 * time::kMillisecond);
  EXPECT_EQ(get(kSeconds), 0x41);
}

// "Register A", table 4: the divider is held in reset; the first update comes half a second after.
TEST_F(RtcTest, DividerResetHoldsTheClock) {
  bench.clock.advance(300 * time::kMillisecond);
  set(kA, kDividerReset | 6);
  bench.clock.advance(5 * time::kSecond);
  EXPECT_EQ(get(kSeconds), 0x20);
  set(kA, kRunning);
  bench.clock.advance(499 * time::kMillisecond);
  EXPECT_EQ(get(kSeconds), 0x20);
  bench.clock.advance(2 * time::kMillisecond);
  EXPECT_EQ(get(kSeconds), 0x21);
}

TEST_F(RtcTest, AWrittenTimeRuns) {
  set_time(0x23, 0x59, 0x58);
  bench.clock.advance(3 * time::kSecond);
  EXPECT_EQ(get(kHours), 0x00);
  EXPECT_EQ(get(kMinutes), 0x00);
  EXPECT_EQ(get(kSeconds), 0x01);
  EXPECT_EQ(get(kDay), 0x15);
}

// "Register C": every flag is set whatever is enabled; reading clears all and lowers the line.
TEST_F(RtcTest, UpdateEndedInterrupt) {
  bench.clock.advance(time::kSecond);
  EXPECT_EQ(get(kC) & ~kPf, kUf) << "a flag, no interrupt";
  set(kB, kUie | k24Hour);
  EXPECT_FALSE(irq());
  bench.clock.advance(time::kSecond);
  EXPECT_TRUE(irq());
  EXPECT_EQ(get(kC) & ~kPf, kIrqf | kUf);
  EXPECT_FALSE(irq());
  EXPECT_EQ(get(kC), 0);
}

TEST_F(RtcTest, AnEnableTurnsAStandingFlagIntoAnInterrupt) {
  bench.clock.advance(time::kSecond);
  EXPECT_FALSE(irq());
  set(kB, kUie | k24Hour);
  EXPECT_TRUE(irq());
  set(kB, k24Hour);
  EXPECT_FALSE(irq());
}

// "Alarm interrupt"; "don't care" codes C0h to FFh.
TEST_F(RtcTest, AlarmTimes) {
  struct Row {
    const char* name;
    u8 hours, minutes, seconds;
    unsigned alarms;  // in two hours from 22:13:20
  };
  for (const Row& r :
       {Row{"one time", 0x23, 0x00, 0x00, 1}, Row{"another day's", 0x10, 0x00, 0x00, 0},
        Row{"every hour", 0xc0, 0x30, 0x00, 2}, Row{"every minute", 0xff, 0xc0, 0x00, 120},
        Row{"every second", 0xff, 0xff, 0xff, 7200}, Row{"each second of an hour", 0x23, 0xc0, 0xc0, 3600}}) {
    SCOPED_TRACE(r.name);
    set(kB, k24Hour);
    set_time(0x22, 0x13, 0x20);
    set_alarm(r.hours, r.minutes, r.seconds);
    get(kC);
    set(kB, kAie | k24Hour);
    unsigned alarms = 0;
    for (unsigned i = 0; i < 7200; ++i) {
      bench.clock.advance(time::kSecond);
      if (!irq()) continue;
      ++alarms;
      EXPECT_EQ(get(kC) & (kIrqf | kAf), kIrqf | kAf);
    }
    EXPECT_EQ(alarms, r.alarms);
  }
}

TEST_F(RtcTest, AlarmOfTheTwelveHourClock) {
  set(kB, kAie);
  set_alarm(0x91, 0x00, 0x00);  // 11 pm
  bench.clock.advance(46 * 60 * time::kSecond);
  EXPECT_FALSE(irq());
  bench.clock.advance(40 * time::kSecond);
  EXPECT_TRUE(irq());
}

// Table 5, "Periodic interrupt rate": with the 32.768 kHz time base.
TEST_F(RtcTest, PeriodicRates) {
  struct Row {
    u8 rate;
    unsigned hz;
  };
  for (const Row& row : {Row{0, 0}, Row{1, 256}, Row{2, 128}, Row{3, 8192}, Row{6, 1024}, Row{9, 128},
                         Row{10, 64}, Row{15, 2}}) {
    SCOPED_TRACE(int{row.rate});
    set(kB, k24Hour);
    set(kA, 0x20 | row.rate);
    get(kC);
    set(kB, kPie | k24Hour);
    unsigned interrupts = 0;
    bench.clock.advance(time::kMicrosecond);
    for (i64 ns = 0; ns < time::kSecond; ns += 50 * time::kMicrosecond) {
      bench.clock.advance(50 * time::kMicrosecond);
      if (!irq()) continue;
      ++interrupts;
      EXPECT_EQ(get(kC) & (kIrqf | kPf), kIrqf | kPf);
    }
    EXPECT_NEAR(interrupts, row.hz, 1);
  }
}

TEST_F(RtcTest, PeriodicFlagWithoutInterrupt) {
  get(kC);
  bench.clock.advance(2 * time::kMillisecond);
  EXPECT_EQ(get(kC), kPf);
  EXPECT_FALSE(irq());
}

// "RESET": enables and flags go, date, memory, format and daylight saving stay.
TEST_F(RtcTest, ResetKeepsDateAndFormat) {
  set(0x40, 0x5a);
  set(kB, 0x7d);
  bench.clock.advance(2 * time::kSecond);
  EXPECT_TRUE(irq());
  rtc.reset(machine::ResetKind::System);
  EXPECT_FALSE(irq());
  EXPECT_EQ(get(kB), 0x05);
  EXPECT_EQ(get(kC), 0);
  EXPECT_EQ(get(0x40), 0x5a);
  EXPECT_EQ(get(kSeconds), 22);
}

TEST_F(RtcTest, RegistersCAndDAreReadOnly) {
  set(kC, 0xff);
  set(kD, 0x00);
  EXPECT_EQ(get(kC), 0);
  EXPECT_EQ(get(kD), 0x80) << "valid RAM and time";
}

TEST_F(RtcTest, MemoryAndIndex) {
  for (unsigned i = 0x0e; i < 0x80; ++i)
    if (i != kCentury) set(static_cast<u8>(i), static_cast<u8>(i ^ 0x5a));
  for (unsigned i = 0x0e; i < 0x80; ++i)
    if (i != kCentury) EXPECT_EQ(get(static_cast<u8>(i)), i ^ 0x5a);
  EXPECT_EQ(get(0x80 | 0x20), 0x20 ^ 0x5a) << "bit 7 masks NMI";
  EXPECT_EQ(bench.in(kIndex), 0xffu);
}

TEST_F(RtcTest, WordWriteSetsIndexAndData) {
  bench.out(kIndex, 0xa5'40, 2);
  EXPECT_EQ(get(0x40), 0xa5);
}

TEST_F(RtcTest, HpetTakesTheInterruptOver) {
  set(kB, kUie | k24Hour);
  rtc.set_irq_enabled(false);
  bench.clock.advance(time::kSecond);
  EXPECT_FALSE(irq());
  rtc.set_irq_enabled(true);
  EXPECT_TRUE(irq());
}

}  // namespace
}  // namespace tandem::tests
