// 8259A pair and ELCR. Sections: Intel 8259A data sheet (231468-003); 82371SB data sheet for the ELCR.
#include "devices/platform/pic.h"

#include <gtest/gtest.h>

#include "tests/support/device_bench.h"

namespace tandem::tests {
namespace {

using devices::Pic;

constexpr u16 kMaster = 0x20, kSlave = 0xa0, kElcr = 0x4d0;
constexpr u8 kMasterBase = 0x20, kSlaveBase = 0x28;
constexpr u8 kEoi = 0x20, kRotateEoi = 0xa0, kSpecificEoi = 0x60, kRotateSpecificEoi = 0xe0,
             kSetPriority = 0xc0;
constexpr u8 kReadIrr = 0x0a, kReadIsr = 0x0b, kPoll = 0x0c, kSetSpecialMask = 0x68, kResetSpecialMask = 0x48;

class PicTest : public testing::Test {
 protected:
  PicTest() {
    bench.map_ports(kMaster, 2, pic.master_ports());
    bench.map_ports(kSlave, 2, pic.slave_ports());
    bench.map_ports(kElcr, 2, pic.elcr_ports());
    init(kMaster, kMasterBase, 4);
    init(kSlave, kSlaveBase, 2);
  }
  void init(u16 chip, u8 base, u8 icw3, u8 icw4 = 0x01) {
    bench.out(chip, 0x11);
    for (u8 icw : {base, icw3, icw4}) bench.out(chip + 1, icw);
  }
  void pulse(unsigned pin) {
    pic.set_irq(pin, true);
    pic.set_irq(pin, false);
  }
  u8 irr(u16 chip) { return ocw3_read(chip, kReadIrr); }
  u8 isr(u16 chip) { return ocw3_read(chip, kReadIsr); }
  u8 ocw3_read(u16 chip, u8 ocw3) {
    bench.out(chip, ocw3);
    return static_cast<u8>(bench.in(chip));
  }

  DeviceBench bench;
  bool intr = false;
  Pic pic{bench.context(), [this](bool level) { intr = level; }};
};

// "Interrupt sequence": the vector is ICW2's high five bits and the pin.
TEST_F(PicTest, EachPinGivesItsVector) {
  for (unsigned pin = 0; pin < 16; ++pin) {
    if (pin == 2) continue;
    SCOPED_TRACE(pin);
    pic.set_irq(pin, true);
    EXPECT_TRUE(intr);
    EXPECT_EQ(pic.acknowledge(), pin < 8 ? kMasterBase + pin : kSlaveBase + pin - 8);
    EXPECT_FALSE(intr);
    EXPECT_EQ(isr(kMaster), pin < 8 ? 1 << pin : 4);
    EXPECT_EQ(isr(kSlave), pin < 8 ? 0 : 1 << (pin - 8));
    pic.set_irq(pin, false);
    if (pin >= 8) bench.out(kSlave, kEoi);
    bench.out(kMaster, kEoi);
    EXPECT_EQ(isr(kMaster) | isr(kSlave), 0);
  }
}

// "Initialization command words 1 and 2": mask, service, priorities and status reading start anew; an edge
// input has to rise again.
TEST_F(PicTest, Icw1StartsAnew) {
  bench.out(kMaster + 1, 0x55);
  bench.out(kMaster, kSetPriority | 3);
  pic.set_irq(5, true);
  pic.set_irq(1, true);
  bench.out(kMaster, kReadIsr);
  init(kMaster, 0x40, 4);
  EXPECT_EQ(bench.in(kMaster + 1), 0);
  EXPECT_EQ(bench.in(kMaster), 0) << "IRR is what is read";
  EXPECT_EQ(isr(kMaster), 0);
  EXPECT_FALSE(intr);
  pic.set_irq(1, false);
  pulse(6);
  pic.set_irq(1, true);
  EXPECT_EQ(pic.acknowledge(), 0x41) << "IR0 is the highest again";
}

TEST_F(PicTest, SaysWhatBecameOfAnEdge) {
  using enum irq::EdgeEffect;
  for (const u16 chip : {kMaster, kSlave}) {
    SCOPED_TRACE(chip);
    const unsigned pin = chip == kMaster ? 0 : 8;
    const auto edge = [&] {
      const irq::EdgeEffect effect = pic.set_irq(pin, true);
      EXPECT_EQ(pic.set_irq(pin, false), None) << "falls";
      return effect;
    };
    bench.out(chip + 1, 1);
    EXPECT_EQ(edge(), None) << "masked";
    bench.out(chip + 1, 0);
    EXPECT_EQ(edge(), Coalesced) << "with the one that the mask held back";
    pic.acknowledge();
    EXPECT_EQ(edge(), Requested) << "in service";
    EXPECT_EQ(edge(), Coalesced);
    init(chip, kMasterBase, 4);
  }
}

// The initialisation sequence's figure: ICW3 only without SNGL, ICW4 only with IC4.
TEST_F(PicTest, SequenceFollowsIcw1) {
  struct Row {
    u8 icw1;
    unsigned words;
  };
  for (const Row& row : {Row{0x10, 2}, Row{0x11, 3}, Row{0x12, 1}, Row{0x13, 2}}) {
    SCOPED_TRACE(row.icw1);
    bench.out(kMaster, row.icw1);
    for (unsigned i = 0; i < row.words; ++i) bench.out(kMaster + 1, 0x08);
    EXPECT_EQ(bench.in(kMaster + 1), 0) << "none of them is a mask";
    bench.out(kMaster + 1, 0xa5);
    EXPECT_EQ(bench.in(kMaster + 1), 0xa5);
  }
}

// "Operation control word 1".
TEST_F(PicTest, MaskHoldsBackAndReleases) {
  bench.out(kMaster + 1, 0x08);
  pic.set_irq(3, true);
  EXPECT_FALSE(intr);
  EXPECT_EQ(irr(kMaster), 0x08);
  bench.out(kMaster + 1, 0x00);
  EXPECT_TRUE(intr);
  EXPECT_EQ(pic.acknowledge(), kMasterBase + 3);
  EXPECT_EQ(irr(kMaster), 0);
}

// "Fully nested mode".
TEST_F(PicTest, HigherInterruptsLowerNotTheReverse) {
  pulse(4);
  EXPECT_EQ(pic.acknowledge(), kMasterBase + 4);
  pulse(6);
  pulse(4);
  EXPECT_FALSE(intr) << "lower and equal wait";
  pulse(1);
  EXPECT_TRUE(intr);
  EXPECT_EQ(pic.acknowledge(), kMasterBase + 1);
  EXPECT_EQ(isr(kMaster), 0x12);
  bench.out(kMaster, kEoi);
  EXPECT_EQ(isr(kMaster), 0x10) << "the highest in service ended";
  EXPECT_FALSE(intr);
  bench.out(kMaster, kEoi);
  EXPECT_EQ(pic.acknowledge(), kMasterBase + 4);
  bench.out(kMaster, kEoi);
  EXPECT_EQ(pic.acknowledge(), kMasterBase + 6);
}

TEST_F(PicTest, SpecificEoiEndsTheLevelItNames) {
  for (unsigned pin : {5, 3}) {
    pulse(pin);
    pic.acknowledge();
  }
  bench.out(kMaster, kSpecificEoi | 5);
  EXPECT_EQ(isr(kMaster), 0x08);
  bench.out(kMaster, kSpecificEoi | 6);
  EXPECT_EQ(isr(kMaster), 0x08);
}

// "Automatic rotation" and "Specific rotation": after the command, these come in this order.
TEST_F(PicTest, RotationMovesTheLowestPriority) {
  struct Row {
    const char* name;
    u8 serve;  // pin in service, 8 = none
    u8 command;
    u8 first, second;  // of requests at 0, 4 and 7
  };
  for (const Row& row : {Row{"rotate on non-specific EOI", 4, kRotateEoi, 7, 0},
                         Row{"rotate on specific EOI", 0, kRotateSpecificEoi | 0, 4, 7},
                         Row{"set priority", 8, kSetPriority | 6, 7, 0},
                         Row{"set priority to the usual one", 8, kSetPriority | 7, 0, 4}}) {
    SCOPED_TRACE(row.name);
    init(kMaster, kMasterBase, 4);
    if (row.serve < 8) {
      pulse(row.serve);
      pic.acknowledge();
    }
    bench.out(kMaster, row.command);
    EXPECT_EQ(isr(kMaster), 0);
    for (unsigned pin : {0, 4, 7}) pulse(pin);
    EXPECT_EQ(pic.acknowledge(), kMasterBase + row.first);
    bench.out(kMaster, kSpecificEoi | row.first);
    EXPECT_EQ(pic.acknowledge(), kMasterBase + row.second);
  }
}

// "Automatic end of interrupt (AEOI) mode", with rotation too.
TEST_F(PicTest, AutomaticEoiLeavesNothingInService) {
  init(kMaster, kMasterBase, 4, 0x03);
  pulse(3);
  EXPECT_EQ(pic.acknowledge(), kMasterBase + 3);
  EXPECT_EQ(isr(kMaster), 0);
  bench.out(kMaster, 0x80);
  pulse(3);
  EXPECT_EQ(pic.acknowledge(), kMasterBase + 3);
  pulse(3);
  pulse(4);
  EXPECT_EQ(pic.acknowledge(), kMasterBase + 4) << "3 has become the lowest";
  bench.out(kMaster, 0x00);
  EXPECT_EQ(pic.acknowledge(), kMasterBase + 3);
  pulse(3);
  pulse(4);
  EXPECT_EQ(pic.acknowledge(), kMasterBase + 3) << "4 is the lowest, and stays it";
}

// "Special mask mode": a masked level in service holds back no other.
TEST_F(PicTest, SpecialMaskLetsLowerOnesThrough) {
  pulse(2 + 2);
  pic.acknowledge();
  bench.out(kMaster + 1, 0x10);
  pulse(6);
  EXPECT_FALSE(intr);
  bench.out(kMaster, kSetSpecialMask);
  EXPECT_TRUE(intr);
  EXPECT_EQ(pic.acknowledge(), kMasterBase + 6);
  EXPECT_EQ(isr(kMaster), 0x50);
  bench.out(kMaster, kEoi);
  EXPECT_EQ(isr(kMaster), 0x10) << "a masked level is not ended by a non-specific EOI";
  bench.out(kMaster, kEoi);
  EXPECT_EQ(isr(kMaster), 0x10);
  bench.out(kMaster, kSpecificEoi | 4);
  EXPECT_EQ(isr(kMaster), 0x00);
}

TEST_F(PicTest, SpecialMaskKeepsAnUnmaskedLevelInService) {
  bench.out(kMaster, kSetSpecialMask);
  pulse(4);
  pic.acknowledge();
  pulse(6);
  EXPECT_FALSE(intr) << "only a mask bit opens the levels below";
  bench.out(kMaster + 1, 0x10);
  EXPECT_TRUE(intr);
  bench.out(kMaster, kResetSpecialMask);
  EXPECT_FALSE(intr);
}

// "Special fully nested mode": only the slave in service is let in again, no lower level of the master.
TEST_F(PicTest, SpecialFullyNestedAdmitsTheSameSlave) {
  init(kMaster, kMasterBase, 4, 0x11);
  pulse(12);
  EXPECT_EQ(pic.acknowledge(), kSlaveBase + 4);
  pulse(5);
  EXPECT_FALSE(intr);
  pulse(9);
  EXPECT_TRUE(intr);
  EXPECT_EQ(pic.acknowledge(), kSlaveBase + 1);
}

TEST_F(PicTest, FullyNestedLocksTheSlaveOut) {
  pulse(12);
  pic.acknowledge();
  pulse(9);
  EXPECT_FALSE(intr);
  bench.out(kMaster, kEoi);
  EXPECT_TRUE(intr);
  EXPECT_EQ(pic.acknowledge(), kSlaveBase + 1);
}

// "Cascade mode": after an EOI to both, what waits in the slave comes.
TEST_F(PicTest, SlaveAsksAgainForItsNext) {
  pulse(8);
  pulse(14);
  EXPECT_EQ(pic.acknowledge(), kSlaveBase + 0);
  EXPECT_FALSE(intr);
  bench.out(kSlave, kEoi);
  bench.out(kMaster, kEoi);
  EXPECT_TRUE(intr);
  EXPECT_EQ(pic.acknowledge(), kSlaveBase + 6);
}

TEST_F(PicTest, MaskedCascadeHoldsTheSlaveBack) {
  bench.out(kMaster + 1, 0x04);
  pulse(8);
  EXPECT_FALSE(intr);
  EXPECT_EQ(irr(kMaster), 0x04);
  bench.out(kMaster + 1, 0x00);
  EXPECT_EQ(pic.acknowledge(), kSlaveBase);
}

// "Edge and level triggered modes": a request that is gone by the INTA cycle gives IR7, and no ISR bit.
TEST_F(PicTest, SpuriousInterruptIsPin7) {
  EXPECT_EQ(pic.acknowledge(), kMasterBase + 7);
  EXPECT_EQ(isr(kMaster), 0);
  EXPECT_EQ(bench.counters.values().at("pic.spurious"), 1u);
}

TEST_F(PicTest, SpuriousInterruptOfTheSlaveIsPin15) {
  pic.set_irq(10, true);
  bench.out(kSlave + 1, 0xff);
  EXPECT_TRUE(intr) << "the master has latched the slave's edge";
  EXPECT_EQ(pic.acknowledge(), kSlaveBase + 7);
  EXPECT_EQ(isr(kMaster), 0x04) << "the master serves its slave";
  EXPECT_EQ(isr(kSlave), 0);
}

TEST_F(PicTest, EdgeCountsOnce) {
  pic.set_irq(4, true);
  EXPECT_EQ(pic.acknowledge(), kMasterBase + 4);
  bench.out(kMaster, kEoi);
  EXPECT_FALSE(intr) << "the level alone asks for nothing";
  pic.set_irq(4, false);
  pic.set_irq(4, true);
  EXPECT_TRUE(intr);
}

// 82371SB, "ELCR1, ELCR2".
TEST_F(PicTest, LevelAsksUntilItFalls) {
  bench.out(kElcr, 0x20);
  pic.set_irq(5, true);
  EXPECT_EQ(pic.acknowledge(), kMasterBase + 5);
  bench.out(kMaster, kEoi);
  EXPECT_TRUE(intr);
  pic.set_irq(5, false);
  EXPECT_FALSE(intr);
  EXPECT_EQ(irr(kMaster), 0);
}

TEST_F(PicTest, ElcrKeepsTheSystemsPinsOnEdges) {
  bench.out(kElcr, 0xffff, 2);
  EXPECT_EQ(bench.in(kElcr), 0xf8u);
  EXPECT_EQ(bench.in(kElcr + 1), 0xdeu);
}

TEST_F(PicTest, ElcrTakesTheLevelThatIsThere) {
  bench.out(kMaster + 1, 0x20);
  pulse(5);
  bench.out(kElcr, 0x20);
  EXPECT_EQ(irr(kMaster), 0) << "an edge that was latched is no level";
  bench.out(kElcr, 0x00);
  bench.out(kMaster, 0x11);
  pic.set_irq(5, true);
  init(kMaster, kMasterBase, 4);
  EXPECT_EQ(irr(kMaster), 0);
  bench.out(kElcr, 0x20);
  EXPECT_EQ(irr(kMaster), 0x20);
  EXPECT_TRUE(intr);
}

// "Reading the 8259A status": OCW3 stays in force until the next; A0 = 1 always gives IMR.
TEST_F(PicTest, StatusReadsAreRemembered) {
  pulse(3);
  pic.acknowledge();
  pulse(4);
  bench.out(kMaster, kReadIsr);
  EXPECT_EQ(bench.in(kMaster), 0x08u);
  EXPECT_EQ(bench.in(kMaster), 0x08u);
  EXPECT_EQ(bench.in(kMaster + 1), 0x00u);
  bench.out(kMaster, 0x08);  // neither RR nor poll: as it was
  EXPECT_EQ(bench.in(kMaster), 0x08u);
  bench.out(kMaster, kReadIrr);
  EXPECT_EQ(bench.in(kMaster), 0x10u);
}

// "Poll command": the next read acknowledges.
TEST_F(PicTest, PollAcknowledges) {
  pulse(6);
  bench.out(kMaster, kPoll);
  EXPECT_EQ(bench.in(kMaster), 0x86u);
  EXPECT_FALSE(intr);
  EXPECT_EQ(isr(kMaster), 0x40);
  bench.out(kMaster, kPoll);
  EXPECT_EQ(bench.in(kMaster) & 0x80, 0u) << "nothing waits";
}

TEST_F(PicTest, PollReachesTheSlave) {
  pulse(11);
  bench.out(kMaster, kPoll);
  EXPECT_EQ(bench.in(kMaster), 0x82u);
  bench.out(kSlave, kPoll);
  EXPECT_EQ(bench.in(kSlave), 0x83u);
  EXPECT_EQ(isr(kSlave), 0x08);
}

}  // namespace
}  // namespace tandem::tests
