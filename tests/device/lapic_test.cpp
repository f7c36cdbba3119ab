// Local APIC: registers, priorities, acceptance, errors. Sections: Intel SDM volume 3, chapter 11.
#include "tests/device/lapic_fixture.h"

namespace tandem::tests {
namespace {

using namespace irq;
using cpu::Signal;

class LapicTest : public LapicFixture {};

constexpr u32 kLvts[] = {kRegLvtTimer, kRegLvtThermal, kRegLvtPmc, kRegLvtLint0, kRegLvtLint1, kRegLvtError};

// 11.4.7.1 "Local APIC state after power-up or reset".
TEST_F(LapicTest, AfterReset) {
  lapics[1]->reset(false);
  EXPECT_EQ(read(1, kRegId), 0x01000000u);
  EXPECT_EQ(read(1, kRegVersion) & 0xff00ff, 0x050014u);
  EXPECT_EQ(read(1, kRegSvr), 0xffu);
  EXPECT_EQ(read(1, kRegDfr), 0xffffffffu);
  for (u32 reg : {kRegTpr, kRegLdr, kRegIcrLow, kRegIcrHigh, kRegInitialCount, kRegCurrentCount, kRegDivide})
    EXPECT_EQ(read(1, reg), 0u) << std::hex << reg;
  for (u32 reg : kLvts) EXPECT_EQ(read(1, reg), kLvtMasked) << std::hex << reg;
  EXPECT_EQ(rdmsr(1, kMsrApicBase), kDefaultBase | kBaseEnable);
  lapics[0]->reset(true);
  EXPECT_EQ(rdmsr(0, kMsrApicBase), kDefaultBase | kBaseEnable | kBaseBsp);
}

// 11.4.7.2 "Local APIC state after it has been software disabled".
TEST_F(LapicTest, SoftwareDisabled) {
  accept(1, 0x40);
  write(1, kRegSvr, 0xff);
  EXPECT_FALSE(lapics[1]->interrupt_pending());
  EXPECT_TRUE(vector_bit(1, kRegIrr, 0x40)) << "what was there stays";
  accept(1, 0x50);
  EXPECT_FALSE(vector_bit(1, kRegIrr, 0x50));
  for (u32 reg : kLvts) {
    write(1, reg, 0x30);
    EXPECT_EQ(read(1, reg), kLvtMasked | 0x30u) << std::hex << reg;
  }
  send(0, u64{1} << 56 | 4 << 8);
  EXPECT_EQ(signals.take(), (std::vector<SignalRecord>{{1, Signal::Nmi}}));
  write(1, kRegSvr, kSoftwareOn);
  EXPECT_TRUE(lapics[1]->interrupt_pending());
}

// 11.8.4 "Interrupt acceptance for fixed interrupts", 11.8.5 "Signaling interrupt servicing completion".
TEST_F(LapicTest, FromRequestToEnd) {
  accept(1, 0x63);
  EXPECT_TRUE(lapics[1]->interrupt_pending());
  EXPECT_TRUE(vector_bit(1, kRegIrr, 0x63));
  EXPECT_EQ(lapics[1]->take_interrupt(), 0x63);
  EXPECT_FALSE(vector_bit(1, kRegIrr, 0x63));
  EXPECT_TRUE(vector_bit(1, kRegIsr, 0x63));
  accept(1, 0x63);
  EXPECT_FALSE(lapics[1]->interrupt_pending()) << "one is served, one waits";
  write(1, kRegEoi, 0);
  EXPECT_FALSE(vector_bit(1, kRegIsr, 0x63));
  EXPECT_EQ(lapics[1]->take_interrupt(), 0x63);
  EXPECT_EQ(lapics[1]->take_interrupt(), std::nullopt);
}

// 11.8.3 "Interrupt, task and processor priority": classes interrupt each other, vectors of one class wait.
TEST_F(LapicTest, HigherClassesInterrupt) {
  accept(1, 0x52);
  EXPECT_EQ(lapics[1]->take_interrupt(), 0x52);
  accept(1, 0x5f);
  accept(1, 0x41);
  EXPECT_FALSE(lapics[1]->interrupt_pending());
  accept(1, 0x60);
  EXPECT_EQ(lapics[1]->take_interrupt(), 0x60);
  for (u8 next : {0x5f, 0x41}) {
    write(1, kRegEoi, 0);  // the highest in service
    if (next == 0x5f) write(1, kRegEoi, 0);
    EXPECT_EQ(lapics[1]->take_interrupt(), next);
  }
}

// 11.8.3.1: PPR from TPR and ISR, and what it lets through.
TEST_F(LapicTest, ProcessorPriority) {
  struct Row {
    u8 tpr, serving;  // 0 = none
    u8 ppr;
  };
  for (const Row& row : {Row{0, 0, 0}, Row{0x35, 0, 0x35}, Row{0x35, 0x41, 0x40}, Row{0x45, 0x41, 0x45},
                         Row{0x40, 0x4f, 0x40}, Row{0x55, 0x41, 0x55}, Row{0x0f, 0x11, 0x10}}) {
    SCOPED_TRACE(testing::Message() << std::hex << int{row.tpr} << ' ' << int{row.serving});
    lapics[1]->reset(false);
    write(1, kRegSvr, kSoftwareOn);
    if (row.serving) {
      accept(1, row.serving);
      EXPECT_EQ(lapics[1]->take_interrupt(), row.serving);
    }
    write(1, kRegTpr, row.tpr);
    EXPECT_EQ(read(1, kRegPpr), row.ppr);
    for (unsigned v = 0x10; v < 0x100; v += 0x10) {
      const u8 vector = static_cast<u8>(v | 0x0a);
      accept(1, vector);
      EXPECT_EQ(lapics[1]->interrupt_pending(), v > (row.ppr & 0xf0)) << v;
      if (lapics[1]->take_interrupt()) write(1, kRegEoi, 0);
    }
  }
}

// 11.8.6 "Task priority in IA-32e mode".
TEST_F(LapicTest, Cr8IsTheTaskPriorityClass) {
  lapics[1]->write_cr8(0xb);
  EXPECT_EQ(read(1, kRegTpr), 0xb0u);
  write(1, kRegTpr, 0x5c);
  EXPECT_EQ(lapics[1]->read_cr8(), 5);
  accept(1, 0x50);
  EXPECT_FALSE(lapics[1]->interrupt_pending());
  lapics[1]->write_cr8(4);
  EXPECT_TRUE(lapics[1]->interrupt_pending());
}

// A request that the task priority has withdrawn by the time the CPU takes it.
TEST_F(LapicTest, WithdrawnByTaskPriority) {
  accept(1, 0x45);
  write(1, kRegTpr, 0x40);
  EXPECT_EQ(lapics[1]->take_interrupt(), std::nullopt);
  EXPECT_TRUE(vector_bit(1, kRegIrr, 0x45));
}

// 11.8.4: TMR; 11.8.5: the end of a level-triggered interrupt is told to all I/O APICs.
TEST_F(LapicTest, EndOfLevelIsBroadcast) {
  accept(1, 0x71, true);
  EXPECT_TRUE(vector_bit(1, kRegTmr, 0x71));
  lapics[1]->take_interrupt();
  write(1, kRegEoi, 0);
  EXPECT_EQ(eois.take(), std::vector<u8>{0x71});
  accept(1, 0x71, false);
  EXPECT_FALSE(vector_bit(1, kRegTmr, 0x71));
  lapics[1]->take_interrupt();
  write(1, kRegEoi, 0);
  write(1, kRegEoi, 0);
  EXPECT_TRUE(eois.take().empty());
}

// 11.5.3 "Error handling": written, then read; each kind of error.
class LapicErrorTest : public LapicFixture {
 protected:
  void expect_error(u32 bit, const char* name) {
    SCOPED_TRACE(name);
    EXPECT_EQ(read(1, kRegEsr), 0u) << "not before ESR is written";
    EXPECT_EQ(lapics[1]->take_interrupt(), 0x3e) << "LVT error";
    write(1, kRegEoi, 0);
    write(1, kRegEsr, 0);
    EXPECT_EQ(read(1, kRegEsr), 1u << bit);
    write(1, kRegEsr, 0);
    EXPECT_EQ(read(1, kRegEsr), 0u);
  }
};

TEST_F(LapicErrorTest, EachKind) {
  constexpr unsigned kSendIllegal = 5, kReceiveIllegal = 6, kIllegalRegister = 7;
  write(1, kRegLvtError, 0x3e);
  send(1, u64{2} << 56 | 0x0f);
  expect_error(kSendIllegal, "an IPI with vector 15");
  EXPECT_EQ(read(2, kRegIrr), 0u);
  send(1, 0x40000 | 0x05);
  expect_error(kSendIllegal, "an IPI to itself with vector 5");
  accept(1, 0x0c);
  expect_error(kReceiveIllegal, "a message with vector 12");
  write(1, kRegLvtTimer, 0x00);
  write(1, kRegInitialCount, 10);
  bench.clock.advance(100);
  expect_error(kReceiveIllegal, "an LVT entry with vector 0");
  read(1, 0x04);
  expect_error(kIllegalRegister, "reading a reserved register");
  write(1, 0x3f, 0x40);
  expect_error(kIllegalRegister, "SELF IPI without x2APIC");
}

TEST_F(LapicErrorTest, VectorsBelow16AreForFixedOnly) {
  for (u64 icr : {u64{4} << 8, u64{6} << 8 | 0x08}) send(1, u64{2} << 56 | icr);
  write(1, kRegEsr, 0);
  EXPECT_EQ(read(1, kRegEsr), 0u);
  EXPECT_EQ(signals.take(), (std::vector<SignalRecord>{{2, Signal::Nmi}, {2, Signal::Startup, 8}}));
}

// 11.5.1 "Local vector table": LINT1 as an NMI, as usual; other delivery modes.
TEST_F(LapicTest, Lint1DeliversByItsEntry) {
  struct Row {
    const char* name;
    u32 lvt;
    std::vector<SignalRecord> signals;
    bool fixed;
  };
  const Row rows[] = {{"NMI", 0x400, {{1, Signal::Nmi}}, false},
                      {"masked NMI", 0x10400, {}, false},
                      {"SMI", 0x200, {{1, Signal::Smi}}, false},
                      {"INIT", 0x500, {{1, Signal::Init}}, false},
                      {"fixed", 0x044, {}, true}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    write(1, kRegLvtLint1, row.lvt);
    lapics[1]->set_lint1(true);
    lapics[1]->set_lint1(false);
    EXPECT_EQ(signals.take(), row.signals);
    EXPECT_EQ(lapics[1]->take_interrupt(), row.fixed ? std::optional<u8>{0x44} : std::nullopt);
    write(1, kRegEoi, 0);
  }
}

class FakePic final : public PicAcknowledge {
 public:
  u8 acknowledge() override { return 0x77; }
};

// 11.5.1, ExtINT: the vector is the 8259's, no bit is set, priorities do not count.
TEST_F(LapicTest, ExternalInterruptThroughLint0) {
  FakePic pic;
  bus.connect_pic(pic);
  write(0, kRegLvtLint0, 0x700);
  write(0, kRegTpr, 0xff);
  lapics[0]->set_pic_intr(true);
  EXPECT_TRUE(lapics[0]->interrupt_pending());
  EXPECT_EQ(lapics[0]->take_interrupt(), 0x77);
  EXPECT_FALSE(vector_bit(0, kRegIsr, 0x77));
  write(0, kRegLvtLint0, 0x10700);
  EXPECT_FALSE(lapics[0]->interrupt_pending()) << "masked";
  EXPECT_EQ(lapics[0]->take_interrupt(), std::nullopt);
  write(0, kRegLvtLint0, 0x700);
  EXPECT_TRUE(lapics[0]->interrupt_pending());
  lapics[0]->set_pic_intr(false);
  EXPECT_FALSE(lapics[0]->interrupt_pending());
}

TEST_F(LapicTest, DisabledApicPassesThe8259Through) {
  FakePic pic;
  bus.connect_pic(pic);
  write(0, kRegLvtLint0, 0x10700);
  EXPECT_TRUE(wrmsr(0, kMsrApicBase, kDefaultBase | kBaseBsp));
  lapics[0]->set_pic_intr(true);
  EXPECT_EQ(lapics[0]->take_interrupt(), 0x77);
}

// 11.4.4, 11.4.5: the page moves, and is gone while the APIC is off.
TEST_F(LapicTest, RegisterPage) {
  EXPECT_TRUE(lapics[1]->covers(kDefaultBase + 0xfff));
  EXPECT_FALSE(lapics[1]->covers(kDefaultBase + 0x1000));
  EXPECT_TRUE(wrmsr(1, kMsrApicBase, 0xd0000000 | kBaseEnable));
  EXPECT_FALSE(lapics[1]->covers(kDefaultBase));
  EXPECT_TRUE(lapics[1]->covers(0xd0000020));
  EXPECT_TRUE(wrmsr(1, kMsrApicBase, 0xd0000000));
  EXPECT_FALSE(lapics[1]->covers(0xd0000020));
  EXPECT_FALSE(wrmsr(1, kMsrApicBase, kDefaultBase | kBaseEnable | 1)) << "a reserved bit";
}

// 11.4.1: aligned 32-bit accesses; parts of a register can be read.
TEST_F(LapicTest, AccessSizes) {
  write(1, kRegSvr, 0x1a5);
  bus::IoAccess a{bus::BusKind::Mmio, bus::IoDir::Read, 1, VcpuId{1}, kDefaultBase + 0xf1, 0, 0};
  lapics[1]->io(a);
  EXPECT_EQ(a.value, 0x01u);
  a = {bus::BusKind::Mmio, bus::IoDir::Write, 1, VcpuId{1}, kDefaultBase + 0xf0, 0, 0x33};
  lapics[1]->io(a);
  EXPECT_EQ(read(1, kRegSvr), 0x1a5u);
}

}  // namespace
}  // namespace tandem::tests
