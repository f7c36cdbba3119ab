// Power management of the PIIX4. Sections: 82371AB data sheet, 7.2; ACPI specification 6.4, 4.8.3.
#include <gtest/gtest.h>

#include "devices/pci/piix.h"
#include "tests/support/device_bench.h"

namespace tandem::tests {
namespace {

using devices::PiixPm;

constexpr u16 kBase = 0x600, kStatus = kBase, kEnable = kBase + 2, kControl = kBase + 4, kTimer = kBase + 8,
              kGpeStatus = kBase + 0x0c, kGpeEnable = kBase + 0x0e, kApm = 0xb2;
constexpr u16 kTimerSts = 0x0001, kButtonSts = 0x0100;
constexpr u16 kSciEnable = 0x0001, kSleepEnable = 0x2000;
constexpr unsigned kSciWire = 9;
constexpr u64 kHz = 3'579'545;

class PowerTest : public testing::Test {
 protected:
  PowerTest() { bench.map_ports(kApm, 2, pm.apm_ports()); }
  bool sci() const { return bench.wires.level(kSciWire); }
  void enable(u16 events) { bench.out(kEnable, events, 2); }
  u64 status() { return bench.in(kStatus, 2); }
  // Time at which the timer has counted so many ticks, from power-on.
  void until_tick(u64 ticks) {
    const i64 at = static_cast<i64>(static_cast<u128>(ticks) * time::kSecond / kHz) + 1;
    bench.clock.advance(at - raw(bench.clock.now()));
  }

  DeviceBench bench;
  unsigned power_offs = 0, smis = 0;
  PiixPm pm{bench.context(),
            kBase,
            bench.wires.level_irq(kSciWire),
            {[this] { ++power_offs; }, [this] { ++smis; }}};
};

// ACPI 4.8.3.3 "Power management timer": 3.579545 MHz, 24 bits.
TEST_F(PowerTest, TimerRuns) {
  EXPECT_EQ(bench.in(kTimer, 4), 0u);
  bench.clock.advance(time::kSecond);
  EXPECT_EQ(bench.in(kTimer, 4), kHz);
  bench.clock.advance(time::kMillisecond);
  EXPECT_EQ(bench.in(kTimer, 4), kHz + 3579);
  EXPECT_EQ(bench.in(kTimer + 1), (kHz + 3579) >> 8 & 0xff);
  bench.out(kTimer, 0, 4);
  EXPECT_EQ(bench.in(kTimer, 4), kHz + 3579) << "read-only";
}

TEST_F(PowerTest, TimerWrapsAt24Bits) {
  until_tick(0xff'ffff);
  EXPECT_EQ(bench.in(kTimer, 4), 0xff'ffffu);
  until_tick(0x100'0000);
  EXPECT_EQ(bench.in(kTimer, 4), 0u);
  until_tick(0x100'0000 + 1000);
  EXPECT_EQ(bench.in(kTimer, 4), 1000u);
}

// ACPI table 4.16, TMR_STS: whenever the top bit changes.
TEST_F(PowerTest, TimerStatusAndInterrupt) {
  until_tick(0x7f'ffff);
  EXPECT_FALSE(status() & kTimerSts);
  until_tick(0x80'0000);
  EXPECT_TRUE(status() & kTimerSts);
  bench.out(kStatus, kTimerSts, 2);
  EXPECT_FALSE(status() & kTimerSts);
  enable(kTimerSts);
  EXPECT_FALSE(sci());
  until_tick(0xff'fff0);
  EXPECT_FALSE(sci());
  until_tick(0x100'0010);
  EXPECT_TRUE(sci());
  bench.out(kStatus, kTimerSts, 2);
  EXPECT_FALSE(sci());
  until_tick(0x180'0010);
  EXPECT_TRUE(sci()) << "and again";
}

// 4.8.3.1.1 "PM1 status": bits are cleared by writing 1; an event needs its enable bit and SCI_EN.
TEST_F(PowerTest, PowerButton) {
  pm.power_button();
  EXPECT_TRUE(status() & kButtonSts);
  EXPECT_FALSE(sci());
  enable(kButtonSts);
  EXPECT_TRUE(sci());
  bench.out(kStatus, static_cast<u16>(~kButtonSts), 2);
  EXPECT_TRUE(sci());
  bench.out(kStatus, kButtonSts, 2);
  EXPECT_FALSE(sci());
  EXPECT_EQ(status(), 0u);
  pm.power_button();
  EXPECT_TRUE(sci());
  bench.out(kControl, 0, 2);
  EXPECT_FALSE(sci()) << "without SCI_EN it would be an SMI";
}

TEST_F(PowerTest, BytesOfARegister) {
  bench.out(kEnable + 1, 0x01);
  EXPECT_EQ(bench.in(kEnable, 2), 0x0100u);
  bench.out(kEnable, 0x20);
  EXPECT_EQ(bench.in(kEnable, 2), 0x0120u);
  pm.power_button();
  bench.out(kStatus, 0xff);
  EXPECT_TRUE(status() & kButtonSts);
  bench.out(kStatus + 1, 0x01);
  EXPECT_FALSE(status() & kButtonSts);
  EXPECT_EQ(bench.in(kStatus, 4), 0x0120'0000u) << "status and enable in one access";
}

// 4.8.3.1.2 "PM1 enable": reserved bits read as 0.
TEST_F(PowerTest, ReservedEnableBitsAreZero) {
  enable(0xffff);
  EXPECT_EQ(bench.in(kEnable, 2) & ~0x0521u, 0u);
}

// 82371AB, PMCNTRL: SUS_TYP 0 with SUS_EN is soft off.
TEST_F(PowerTest, SleepControl) {
  struct Row {
    const char* name;
    u16 value;
    unsigned power_offs;
  };
  for (const Row& row :
       {Row{"soft off", kSleepEnable | kSciEnable, 1}, Row{"type without enable", kSciEnable, 0},
        Row{"suspend to RAM", kSleepEnable | 1 << 10 | kSciEnable, 0}}) {
    SCOPED_TRACE(row.name);
    power_offs = 0;
    bench.out(kControl, row.value, 2);
    EXPECT_EQ(power_offs, row.power_offs);
    EXPECT_EQ(bench.in(kControl, 2), row.value & ~kSleepEnable) << "SLP_EN reads as 0";
  }
  power_offs = 0;
  bench.out(kControl, 0, 2);
  bench.out(kControl + 1, kSleepEnable >> 8);
  EXPECT_EQ(power_offs, 1u) << "by a byte";
}

// 4.8.4.1 "General-purpose event register blocks".
TEST_F(PowerTest, GeneralPurposeEvents) {
  bench.out(kGpeEnable, 0xffff, 2);
  EXPECT_NE(bench.in(kGpeEnable, 2), 0u);
  EXPECT_EQ(bench.in(kGpeStatus, 2), 0u);
  EXPECT_FALSE(sci());
}

// SMI_CMD: the values of the FADT's ACPI_ENABLE and ACPI_DISABLE.
TEST_F(PowerTest, AcpiEnableAndDisable) {
  bench.out(kApm, 0xf0);
  EXPECT_FALSE(bench.in(kControl, 2) & kSciEnable);
  bench.out(kApm, 0xf1);
  EXPECT_TRUE(bench.in(kControl, 2) & kSciEnable);
  EXPECT_EQ(bench.in(kApm), 0xf1u);
  bench.out(kApm + 1, 0x5a);
  EXPECT_EQ(bench.in(kApm + 1), 0x5au);
}

// 82371AB, DEVACTB: APMC_EN lets a write to the APM control port raise an SMI.
TEST_F(PowerTest, ApmWriteRaisesSmi) {
  constexpr unsigned kDevActB = 0x58;
  bench.out(kApm, 0x12);
  EXPECT_EQ(smis, 0u);
  pm.write_config(kDevActB, 4, 1u << 25);
  bench.out(kApm, 0x12);
  EXPECT_EQ(smis, 1u);
  bench.out(kApm + 1, 0x12);
  bench.in(kApm);
  EXPECT_EQ(smis, 1u);
}

// 82371AB, PMBA and PMREGMISC: the ports move, and are only there while enabled.
TEST_F(PowerTest, PortsMove) {
  constexpr unsigned kPmBase = 0x40, kPmRegMisc = 0x80;
  EXPECT_EQ(pm.read_config(kPmBase, 4), kBase | 1u);
  pm.write_config(kPmBase, 4, 0xb000);
  EXPECT_EQ(bench.in(kControl, 2), 0xffffu);
  EXPECT_EQ(bench.in(0xb004, 2), kSciEnable);
  pm.write_config(kPmRegMisc, 1, 0);
  EXPECT_EQ(bench.in(0xb004, 2), 0xffffu);
  pm.reset(machine::ResetKind::System);
  EXPECT_EQ(bench.in(kControl, 2), kSciEnable) << "as firmware leaves it";
}

TEST_F(PowerTest, ResetClearsEvents) {
  enable(kButtonSts);
  pm.power_button();
  pm.reset(machine::ResetKind::System);
  EXPECT_EQ(status(), 0u);
  EXPECT_EQ(bench.in(kEnable, 2), 0u);
  EXPECT_FALSE(sci());
}

}  // namespace
}  // namespace tandem::tests
