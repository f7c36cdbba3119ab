// The local APIC's timer. Sections: Intel SDM volume 3, 11.5.4. Its input clock has 1 GHz.
#include "tests/device/lapic_fixture.h"

namespace tandem::tests {
namespace {

using namespace irq;

constexpr u32 kOneShot = 0, kPeriodic = 1 << 17, kDeadline = 2 << 17;
constexpr u8 kVector = 0xe0;

class LapicTimer : public LapicFixture {
 protected:
  LapicTimer() { write(0, kRegDivide, 0x0b); }  // by 1
  // Interrupts within this time, each served at once.
  unsigned interrupts(i64 ns) {
    constexpr i64 kStep = 100;
    unsigned n = 0;
    for (i64 t = 0; t < ns; t += kStep) {
      bench.clock.advance(kStep);
      n += serve();
    }
    return n;
  }
  unsigned serve() {
    if (lapics[0]->take_interrupt() != kVector) return 0;
    write(0, kRegEoi, 0);
    return 1;
  }
  void start(u32 mode, u32 count) {
    write(0, kRegLvtTimer, mode | kVector);
    write(0, kRegInitialCount, count);
  }
};

TEST_F(LapicTimer, OneShot) {
  start(kOneShot, 10'000);
  bench.clock.advance(4'000);
  EXPECT_EQ(read(0, kRegCurrentCount), 6'000u);
  EXPECT_EQ(interrupts(5'900), 0u);
  EXPECT_EQ(interrupts(200), 1u);
  EXPECT_EQ(read(0, kRegCurrentCount), 0u);
  EXPECT_EQ(read(0, kRegInitialCount), 10'000u);
  EXPECT_EQ(interrupts(50'000), 0u);
  write(0, kRegLvtTimer, kOneShot | kVector);
  EXPECT_EQ(interrupts(50'000), 0u) << "a new entry starts nothing";
}

TEST_F(LapicTimer, OneShotStartsAnewByEachWrite) {
  start(kOneShot, 10'000);
  bench.clock.advance(8'000);
  write(0, kRegInitialCount, 10'000);
  EXPECT_EQ(interrupts(9'900), 0u);
  EXPECT_EQ(interrupts(200), 1u);
}

TEST_F(LapicTimer, ZeroStops) {
  start(kPeriodic, 10'000);
  write(0, kRegInitialCount, 0);
  EXPECT_EQ(interrupts(50'000), 0u);
  EXPECT_EQ(read(0, kRegCurrentCount), 0u);
}

TEST_F(LapicTimer, Periodic) {
  start(kPeriodic, 10'000);
  EXPECT_EQ(interrupts(100'000), 10u);
  bench.clock.advance(3'000);
  EXPECT_EQ(read(0, kRegCurrentCount), 7'000u);
}

// Figure 11-10 "Divide configuration register".
TEST_F(LapicTimer, Divide) {
  struct Row {
    u32 code, divisor;
  };
  for (const Row& row :
       {Row{0, 2}, Row{1, 4}, Row{2, 8}, Row{3, 16}, Row{8, 32}, Row{9, 64}, Row{0xa, 128}, Row{0xb, 1}}) {
    SCOPED_TRACE(row.divisor);
    write(0, kRegDivide, row.code);
    EXPECT_EQ(read(0, kRegDivide), row.code);
    start(kOneShot, 1'000);
    bench.clock.advance(500 * row.divisor);
    EXPECT_EQ(read(0, kRegCurrentCount), 500u);
    bench.clock.advance(499 * row.divisor);
    EXPECT_EQ(serve(), 0u);
    bench.clock.advance(row.divisor);
    EXPECT_EQ(serve(), 1u);
  }
}

TEST_F(LapicTimer, ANewDivisorGoesOnFromTheCount) {
  start(kOneShot, 1'000);
  bench.clock.advance(400);
  write(0, kRegDivide, 0);  // by 2
  EXPECT_EQ(read(0, kRegCurrentCount), 600u);
  bench.clock.advance(1'198);
  EXPECT_EQ(read(0, kRegCurrentCount), 1u);
  EXPECT_EQ(serve(), 0u);
  bench.clock.advance(2);
  EXPECT_EQ(serve(), 1u);
}

// A masked timer counts; what it would have raised meanwhile is lost.
TEST_F(LapicTimer, MaskedOneShot) {
  start(kLvtMasked, 10'000);
  bench.clock.advance(4'000);
  EXPECT_EQ(read(0, kRegCurrentCount), 6'000u);
  write(0, kRegLvtTimer, kVector);
  EXPECT_EQ(interrupts(6'100), 1u) << "unmasked in time";
  start(kLvtMasked, 10'000);
  EXPECT_EQ(interrupts(20'000), 0u);
  write(0, kRegLvtTimer, kVector);
  EXPECT_EQ(interrupts(20'000), 0u) << "unmasked too late";
}

TEST_F(LapicTimer, MaskedPeriodic) {
  start(kPeriodic | kLvtMasked, 10'000);
  EXPECT_EQ(interrupts(25'000), 0u);
  EXPECT_EQ(read(0, kRegCurrentCount), 5'000u);
  write(0, kRegLvtTimer, kPeriodic | kVector);
  EXPECT_EQ(interrupts(4'900), 0u) << "those that went by are lost";
  EXPECT_EQ(interrupts(200), 1u);
  EXPECT_EQ(interrupts(10'000), 1u);
}

// 11.5.4.1 "TSC-deadline mode".
TEST_F(LapicTimer, TscDeadline) {
  write(0, kRegLvtTimer, kDeadline | kVector);
  EXPECT_TRUE(wrmsr(0, kMsrTscDeadline, bench.clock.tsc() + 5'000));
  EXPECT_EQ(rdmsr(0, kMsrTscDeadline), bench.clock.tsc() + 5'000);
  EXPECT_EQ(interrupts(4'900), 0u);
  EXPECT_EQ(interrupts(200), 1u);
  EXPECT_EQ(rdmsr(0, kMsrTscDeadline), 0u) << "disarmed";
  EXPECT_EQ(interrupts(20'000), 0u);
}

TEST_F(LapicTimer, TscDeadlineInThePast) {
  bench.clock.advance(time::kSecond);
  write(0, kRegLvtTimer, kDeadline | kVector);
  EXPECT_TRUE(wrmsr(0, kMsrTscDeadline, 1));
  EXPECT_EQ(interrupts(100), 1u);
}

TEST_F(LapicTimer, TscDeadlineOfZeroDisarms) {
  write(0, kRegLvtTimer, kDeadline | kVector);
  EXPECT_TRUE(wrmsr(0, kMsrTscDeadline, bench.clock.tsc() + 5'000));
  EXPECT_TRUE(wrmsr(0, kMsrTscDeadline, 0));
  EXPECT_EQ(interrupts(20'000), 0u);
}

TEST_F(LapicTimer, DeadlineModeHasNoCount) {
  write(0, kRegLvtTimer, kDeadline | kVector);
  write(0, kRegInitialCount, 1'000);
  EXPECT_EQ(read(0, kRegCurrentCount), 0u);
  EXPECT_EQ(interrupts(20'000), 0u);
}

TEST_F(LapicTimer, OtherModesHaveNoDeadline) {
  start(kOneShot, 0);
  EXPECT_TRUE(wrmsr(0, kMsrTscDeadline, bench.clock.tsc() + 1'000));
  EXPECT_EQ(rdmsr(0, kMsrTscDeadline), 0u);
  EXPECT_EQ(interrupts(20'000), 0u);
}

TEST_F(LapicTimer, ChangingToOrFromDeadlineModeDisarms) {
  write(0, kRegLvtTimer, kDeadline | kVector);
  EXPECT_TRUE(wrmsr(0, kMsrTscDeadline, bench.clock.tsc() + 5'000));
  write(0, kRegLvtTimer, kOneShot | kVector);
  EXPECT_EQ(interrupts(20'000), 0u);
  start(kOneShot, 5'000);
  write(0, kRegLvtTimer, kDeadline | kVector);
  EXPECT_EQ(interrupts(20'000), 0u);
}

}  // namespace
}  // namespace tandem::tests
