// 8254 and port 61h. Sections: Intel 8254 data sheet (231164-005); 82371SB data sheet, "NMI status and
// control".
#include "devices/platform/pit.h"

#include <gtest/gtest.h>

#include "tests/support/device_bench.h"

namespace tandem::tests {
namespace {

using devices::Pit;

constexpr u16 kCounter0 = 0x40, kCounter2 = 0x42, kControl = 0x43, kSystem = 0x61;
constexpr u8 kGate = 0x01, kSpeaker = 0x02, kOut2 = 0x20;
constexpr u64 kHz = 1'193'182;

// A control word (data sheet, "Control word format").
constexpr u8 control(unsigned counter, unsigned access, unsigned mode, bool bcd = false) {
  return static_cast<u8>(counter << 6 | access << 4 | mode << 1 | (bcd ? 1 : 0));
}

class PitTest : public testing::Test {
 protected:
  PitTest() {
    bench.map_ports(kCounter0, 4, pit.ports());
    bench.map_ports(kSystem, 1, pit.system_port());
  }
  // Counter `n` in `mode`, low then high byte.
  void program(unsigned n, unsigned mode, u16 count, bool bcd = false) {
    bench.out(kControl, control(n, 3, mode, bcd));
    write_count(n, count);
  }
  void write_count(unsigned n, u16 count) {
    bench.out(static_cast<u16>(kCounter0 + n), count & 0xff);
    bench.out(static_cast<u16>(kCounter0 + n), count >> 8);
  }
  // Goes to the middle of a tick: `ticks` after the start of the test's time, whatever was before.
  void at_tick(u64 ticks) {
    const i64 target = start + static_cast<i64>((2 * ticks + 1) * time::kSecond / (2 * kHz));
    bench.clock.advance(target - raw(bench.clock.now()));
  }
  void mark() { start = raw(bench.clock.now()); }
  u16 latched(unsigned n) {
    bench.out(kControl, control(n, 0, 0));
    return read_count(n);
  }
  u16 read_count(unsigned n) {
    const u16 port = static_cast<u16>(kCounter0 + n);
    const u64 low = bench.in(port);
    return static_cast<u16>(low | bench.in(port) << 8);
  }
  u8 status(unsigned n) {
    bench.out(kControl, 0xe0 | 2u << n);
    return static_cast<u8>(bench.in(static_cast<u16>(kCounter0 + n)));
  }
  bool out2() { return bench.in(kSystem)&kOut2; }
  void gate2(bool on) { bench.out(kSystem, on ? kGate : 0); }

  DeviceBench bench;
  Pit pit{bench.context(), irq::EdgeIrq(bench.wires.wire())};
  i64 start = 0;
};

struct Wave {
  const char* name;
  unsigned mode;
  u16 count;
  const char* out;  // level of OUT at the middle of tick 1, 2, ... after the start
};

// "Mode definitions", figures 15 to 20. Starts by the gate where the mode has a trigger. Tick 0 belongs to
// loading, of which this device makes nothing.
TEST_F(PitTest, OutputFollowsTheMode) {
  const Wave waves[] = {
      {"0: high at the end of the count", 0, 4, "00011111111"},
      {"1: low for the count", 1, 4, "00011111111"},
      {"2: low for one tick of each period", 2, 4, "110111011101"},
      {"3: square, even", 3, 4, "100110011001"},
      {"3: square, odd", 3, 5, "1100111001110"},
      {"4: low for one tick", 4, 4, "11101111111"},
      {"5: low for one tick", 5, 4, "11101111111"},
  };
  for (const Wave& wave : waves) {
    SCOPED_TRACE(wave.name);
    gate2(false);
    program(2, wave.mode, wave.count);
    gate2(true);
    mark();
    for (unsigned i = 0; wave.out[i]; ++i) {
      at_tick(i + 1);
      EXPECT_EQ(out2(), wave.out[i] == '1') << "tick " << i + 1;
    }
  }
}

// "Mode definitions": OUT after the control word, and with a count but no trigger yet.
TEST_F(PitTest, OutputBeforeTheFirstCount) {
  for (unsigned mode = 0; mode < 6; ++mode) {
    SCOPED_TRACE(mode);
    gate2(false);
    bench.out(kControl, control(2, 3, mode));
    EXPECT_EQ(out2(), mode != 0);
    write_count(2, 3);
    for (unsigned i = 0; i < 5; ++i) {
      EXPECT_EQ(out2(), mode != 0);
      bench.clock.advance(time::kMicrosecond);
    }
  }
}

struct CountRow {
  const char* name;
  unsigned mode;
  u16 count;
  u16 first[6];  // what counts after tick 1, 2, ...
  bool bcd = false;
};

// "Mode definitions": by one, in mode 3 by two; modes 0, 1, 4 and 5 go on below zero.
TEST_F(PitTest, CountsDown) {
  const CountRow rows[] = {
      {"0", 0, 3, {2, 1, 0, 0xffff, 0xfffe, 0xfffd}},
      {"1", 1, 3, {2, 1, 0, 0xffff, 0xfffe, 0xfffd}},
      {"2", 2, 3, {2, 1, 3, 2, 1, 3}},
      {"3 even", 3, 6, {4, 2, 6, 4, 2, 6}},
      {"3 odd", 3, 5, {2, 0, 4, 2, 4, 2}},
      {"4", 4, 3, {2, 1, 0, 0xffff, 0xfffe, 0xfffd}},
      {"5", 5, 3, {2, 1, 0, 0xffff, 0xfffe, 0xfffd}},
      {"zero is 65536", 2, 0, {0xffff, 0xfffe, 0xfffd, 0xfffc, 0xfffb, 0xfffa}},
      {"decimal borrows", 2, 0x1001, {0x1000, 0x0999, 0x0998, 0x0997, 0x0996, 0x0995}, true},
      {"decimal zero is 10000", 2, 0, {0x9999, 0x9998, 0x9997, 0x9996, 0x9995, 0x9994}, true},
      {"decimal goes on at 9999", 0, 2, {0x0001, 0x0000, 0x9999, 0x9998, 0x9997, 0x9996}, true},
  };
  for (const CountRow& row : rows) {
    SCOPED_TRACE(row.name);
    gate2(false);
    program(2, row.mode, row.count, row.bcd);
    gate2(true);
    mark();
    for (unsigned i = 0; i < std::size(row.first); ++i) {
      at_tick(i + 1);
      EXPECT_EQ(latched(2), row.first[i]) << "tick " << i + 1;
    }
  }
}

// "Control word format": RW1, RW0.
TEST_F(PitTest, AccessModesChooseBytes) {
  gate2(false);
  bench.out(kControl, control(2, 1, 2));
  bench.out(kCounter2, 0x34);
  EXPECT_EQ(bench.in(kCounter2), 0x34u);
  EXPECT_EQ(bench.in(kCounter2), 0x34u);
  bench.out(kControl, control(2, 2, 2));
  bench.out(kCounter2, 0x12);
  EXPECT_EQ(bench.in(kCounter2), 0x12u);
  bench.out(kControl, control(2, 3, 2));
  bench.out(kCounter2, 0x78);
  EXPECT_TRUE(status(2) & 0x40) << "half a count is none";
  bench.out(kCounter2, 0x56);
  EXPECT_EQ(read_count(2), 0x5678);
}

TEST_F(PitTest, ControlWordStartsWithTheLowByte) {
  gate2(false);
  program(2, 2, 0x5678);
  bench.in(kCounter2);
  program(2, 2, 0x1234);
  EXPECT_EQ(read_count(2), 0x1234);
}

// "Counter latch command".
TEST_F(PitTest, LatchHoldsUntilRead) {
  program(0, 2, 1000);
  mark();
  at_tick(10);
  bench.out(kControl, control(0, 0, 0));
  at_tick(20);
  bench.out(kControl, control(0, 0, 0));  // ignored: the first was not read yet
  EXPECT_EQ(read_count(0), 990);
  EXPECT_EQ(read_count(0), 980) << "then the counter itself";
}

TEST_F(PitTest, LatchOfOneCounterLeavesTheOthers) {
  program(0, 2, 1000);
  program(1, 2, 500);
  mark();
  at_tick(10);
  bench.out(kControl, control(1, 0, 0));
  at_tick(20);
  EXPECT_EQ(read_count(0), 980);
  EXPECT_EQ(read_count(1), 490);
}

// "Read-back command", "Status byte".
TEST_F(PitTest, ReadBackGivesStatusThenCount) {
  program(0, 2, 1000);
  program(1, 4, 0x600, true);
  mark();
  at_tick(10);
  bench.out(kControl, 0xc0 | 0x02 | 0x04);  // count and status of counters 0 and 1
  at_tick(20);
  EXPECT_EQ(bench.in(kCounter0), 0xb4u);
  EXPECT_EQ(read_count(0), 990);
  EXPECT_EQ(bench.in(kCounter0 + 1), 0xb9u);
  EXPECT_EQ(read_count(1), 0x590);
}

TEST_F(PitTest, ReadBackOfCountOnlyOrStatusOnly) {
  program(0, 2, 1000);
  mark();
  at_tick(10);
  bench.out(kControl, 0xd0 | 0x02);
  at_tick(20);
  EXPECT_EQ(read_count(0), 990);
  bench.out(kControl, 0xe0 | 0x02);
  EXPECT_EQ(bench.in(kCounter0), 0xb4u);
  EXPECT_EQ(read_count(0), 980);
}

// "Status byte": NULL COUNT until the count is in the counting element, OUT.
TEST_F(PitTest, StatusShowsNullCountAndOut) {
  gate2(false);
  bench.out(kControl, control(2, 3, 0));
  EXPECT_EQ(status(2), 0x70);
  write_count(2, 3);
  EXPECT_EQ(status(2), 0x30);
  gate2(true);
  mark();
  at_tick(4);
  EXPECT_EQ(status(2), 0xb0);
}

TEST_F(PitTest, NullCountUntilTheTrigger) {
  gate2(false);
  program(2, 1, 100);
  EXPECT_EQ(status(2), 0xf2);
  gate2(true);
  EXPECT_EQ(status(2), 0x32);
}

// "Gate", and the text of each mode.
TEST_F(PitTest, GateHoldsModes0And4) {
  for (unsigned mode : {0, 4}) {
    SCOPED_TRACE(mode);
    gate2(true);
    program(2, mode, 100);
    mark();
    at_tick(10);
    gate2(false);
    at_tick(60);
    EXPECT_EQ(latched(2), 90);
    gate2(true);
    at_tick(70);
    EXPECT_NEAR(latched(2), 80, 1);
  }
}

TEST_F(PitTest, GateRestartsModes2And3) {
  for (unsigned mode : {2, 3}) {
    SCOPED_TRACE(mode);
    gate2(true);
    program(2, mode, 4);
    mark();
    at_tick(3);
    EXPECT_FALSE(out2());
    gate2(false);
    EXPECT_TRUE(out2()) << "a low gate sets OUT at once";
    at_tick(20);
    EXPECT_TRUE(out2());
    gate2(true);
    mark();
    at_tick(1);
    EXPECT_TRUE(out2());
    at_tick(3);
    EXPECT_FALSE(out2());
  }
}

TEST_F(PitTest, TriggerRestartsModes1And5) {
  gate2(false);
  program(2, 1, 10);
  gate2(true);
  mark();
  at_tick(8);
  gate2(false);
  EXPECT_FALSE(out2()) << "a falling gate changes nothing";
  gate2(true);
  at_tick(12);
  EXPECT_FALSE(out2());
  at_tick(19);
  EXPECT_TRUE(out2());
}

// Mode 1: "A new count ... does not affect the current one-shot."
TEST_F(PitTest, NewCountOfAOneShotWaitsForItsTrigger) {
  gate2(false);
  program(2, 1, 10);
  gate2(true);
  mark();
  at_tick(2);
  write_count(2, 50);
  at_tick(11);
  EXPECT_TRUE(out2());
  gate2(false);
  gate2(true);
  at_tick(50);
  EXPECT_FALSE(out2());
  at_tick(63);
  EXPECT_TRUE(out2());
}

// Mode 2: "Writing a new count while counting does not affect the current counting sequence."
TEST_F(PitTest, NewCountOfARateGeneratorWaitsForThePeriod) {
  program(0, 2, 10);
  mark();
  at_tick(4);
  write_count(0, 100);
  EXPECT_EQ(status(0), 0xf4) << "null count until it is loaded";
  EXPECT_EQ(latched(0), 6);
  at_tick(11);
  EXPECT_EQ(bench.wires.take_edges(), 1u);
  EXPECT_EQ(latched(0), 99);
  EXPECT_EQ(status(0), 0xb4);
  at_tick(109);
  EXPECT_EQ(bench.wires.take_edges(), 0u);
  at_tick(111);
  EXPECT_EQ(bench.wires.take_edges(), 1u);
}

// Mode 3: the new count comes at the end of the current half-cycle.
TEST_F(PitTest, NewCountOfASquareWaveWaitsForTheHalf) {
  gate2(true);
  program(2, 3, 10);
  mark();
  at_tick(2);
  write_count(2, 20);
  at_tick(4);
  EXPECT_TRUE(out2());
  at_tick(6);
  EXPECT_FALSE(out2());
  at_tick(14);
  EXPECT_FALSE(out2());
  at_tick(16);
  EXPECT_TRUE(out2());
}

// Mode 0: "Writing the first byte disables counting", the second loads.
TEST_F(PitTest, NewCountOfMode0StartsAnew) {
  gate2(true);
  program(2, 0, 5);
  mark();
  at_tick(6);
  EXPECT_TRUE(out2());
  bench.out(kCounter2, 5);
  EXPECT_FALSE(out2());
  at_tick(20);
  bench.out(kCounter2, 0);
  mark();
  at_tick(3);
  EXPECT_FALSE(out2());
  at_tick(6);
  EXPECT_TRUE(out2());
}

// IRQ0 is OUT of counter 0.
TEST_F(PitTest, InterruptRates) {
  struct Row {
    unsigned mode;
    u16 count;
    unsigned edges;  // in a second
  };
  for (const Row& row : {Row{2, 11932, 99}, Row{3, 0, 18}, Row{2, 1193, 1000}, Row{0, 100, 1}, Row{4, 100, 1},
                         Row{1, 100, 0}, Row{5, 100, 0}}) {
    SCOPED_TRACE(row.mode);
    program(0, row.mode, row.count);
    bench.wires.take_edges();
    bench.clock.advance(time::kSecond);
    EXPECT_EQ(bench.wires.take_edges(), row.edges);
  }
}

TEST_F(PitTest, InterruptComesAtItsTick) {
  program(0, 0, 1000);
  mark();
  at_tick(998);
  EXPECT_EQ(bench.wires.take_edges(), 0u);
  at_tick(1001);
  EXPECT_EQ(bench.wires.take_edges(), 1u);
}

TEST_F(PitTest, HpetTakesTheInterruptOver) {
  program(0, 2, 1193);
  pit.set_irq_enabled(false);
  bench.clock.advance(10 * time::kMillisecond);
  EXPECT_EQ(bench.wires.take_edges(), 0u);
  pit.set_irq_enabled(true);
  bench.clock.advance(10 * time::kMillisecond);
  EXPECT_NEAR(bench.wires.take_edges(), 10, 1);
}

// 82371SB, "NMISC": gate and speaker read back, refresh toggles every 15 microseconds, OUT2 in bit 5.
TEST_F(PitTest, SystemPort) {
  bench.out(kSystem, kGate | kSpeaker);
  EXPECT_EQ(bench.in(kSystem) & 0x0f, kGate | kSpeaker);
  bench.out(kSystem, 0);
  EXPECT_EQ(bench.in(kSystem) & 0x0f, 0u);
  unsigned toggles = 0;
  u64 last = bench.in(kSystem) & 0x10;
  for (unsigned i = 0; i < 1000; ++i) {
    bench.clock.advance(time::kMicrosecond);
    const u64 now = bench.in(kSystem) & 0x10;
    toggles += now != last;
    last = now;
  }
  EXPECT_NEAR(toggles, 66, 1);
}

TEST_F(PitTest, ControlPortIsWriteOnly) { EXPECT_EQ(bench.in(kControl), 0xffu); }

}  // namespace
}  // namespace tandem::tests
