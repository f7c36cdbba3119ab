// A function's interrupt, as a wire and as a message, and its power states. Sections: PCI Local Bus
// Specification 3.0, 6.2 and 6.8; PCI Bus Power Management Interface Specification 1.2, 3.2.
#include <gtest/gtest.h>

#include "devices/pci/pci_device.h"
#include "devices/pci/regs.h"
#include "tests/support/device_bench.h"

namespace tandem::tests {
namespace {

using namespace devices;

class Card final : public PciDevice, public bus::IoHandler {
 public:
  Card(machine::DeviceContext context, irq::LevelIrq intx, irq::MsiTarget& msi)
      : PciDevice(context, {.vendor = 0x1234, .device = 0x5678, .class_code = 0x0c0330}) {
    add_bar(0, BarKind::Memory32, 0x1000, *this);
    add_interrupt(intx, msi);
    add_power_management();
  }
  void io(bus::IoAccess& access) override { access.value = 42; }
  std::string_view name() const override { return "card"; }
  void reset(machine::ResetKind) override { reset_config(); }
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter&) const override {}
  Result<void> load(snapshot::StateReader&) override { return {}; }

  using PciDevice::bus_master;
  using PciDevice::load_interrupt;
  using PciDevice::repeat_interrupt;
  using PciDevice::set_interrupt;
};

class PciInterrupt : public testing::Test {
 protected:
  static constexpr u64 kBar = 0xe0000000;
  static constexpr u16 kMemory = 2, kMaster = 4, kIntxOff = 0x400;

  PciInterrupt() {
    card.write_config(pci::kBar0, 4, kBar);
    card.write_config(pci::kCommand, 2, kMemory | kMaster);
    unsigned at = card.read_config(pci::kCapabilities, 1);
    for (; at; at = card.read_config(at + 1, 1)) {
      if (card.read_config(at, 1) == pci::kCapabilityMsi) msi = at;
      if (card.read_config(at, 1) == pci::kCapabilityPower) power = at;
    }
  }
  void enable_msi() {
    card.write_config(msi + 4, 4, 0xfee01000);
    card.write_config(msi + 8, 4, 0);
    card.write_config(msi + 12, 2, 0x4041);
    card.write_config(msi + 2, 2, 1);
  }
  bool pending() { return card.read_config(pci::kStatus, 2) & pci::kStatusInterrupt; }
  void set_power(unsigned state) { card.write_config(power + 4, 2, state); }
  bool answers() { return bench.read(kBar) == 42; }

  DeviceBench bench;
  MsiLog log;
  Card card{bench.context(), bench.wires.level_irq(), log};
  unsigned msi = 0, power = 0;
};

TEST_F(PciInterrupt, Wire) {
  EXPECT_EQ(card.read_config(pci::kInterruptPin, 1), 1u);
  card.set_interrupt(true);
  EXPECT_TRUE(bench.wires.level());
  EXPECT_TRUE(pending());
  card.write_config(pci::kCommand, 2, kMemory | kMaster | kIntxOff);
  EXPECT_FALSE(bench.wires.level());
  EXPECT_TRUE(pending());
  card.write_config(pci::kCommand, 2, kMemory | kMaster);
  EXPECT_TRUE(bench.wires.level());
  card.set_interrupt(false);
  EXPECT_FALSE(bench.wires.level());
  EXPECT_FALSE(pending());
  EXPECT_TRUE(log.messages.empty());
}

// 6.8.1.3: one vector, 64-bit addresses.
TEST_F(PciInterrupt, Message) {
  EXPECT_EQ(card.read_config(msi + 2, 2), 0x80u);
  enable_msi();
  card.set_interrupt(true);
  card.set_interrupt(true);
  ASSERT_EQ(log.messages.size(), 1u);
  EXPECT_EQ(log.messages[0].address, 0xfee01000u);
  EXPECT_EQ(log.messages[0].data, 0x4041u);
  EXPECT_FALSE(bench.wires.level());
  card.repeat_interrupt();
  EXPECT_EQ(log.messages.size(), 2u);
  card.set_interrupt(false);
  card.repeat_interrupt();
  EXPECT_EQ(log.messages.size(), 2u);
}

TEST_F(PciInterrupt, NoMessageWithoutBusMaster) {
  enable_msi();
  card.write_config(pci::kCommand, 2, kMemory);
  card.set_interrupt(true);
  EXPECT_TRUE(log.messages.empty());
}

TEST_F(PciInterrupt, LoadingSendsNothing) {
  enable_msi();
  card.load_interrupt(true);
  EXPECT_TRUE(log.messages.empty());
  card.set_interrupt(false);
  card.set_interrupt(true);
  EXPECT_EQ(log.messages.size(), 1u);
}

TEST_F(PciInterrupt, ResetTakesItBack) {
  card.set_interrupt(true);
  card.reset(machine::ResetKind::System);
  EXPECT_FALSE(bench.wires.level());
  EXPECT_FALSE(pending());
}

// 5.4: in D3hot, configuration space alone answers.
TEST_F(PciInterrupt, D3) {
  EXPECT_TRUE(answers());
  set_power(3);
  EXPECT_EQ(card.read_config(power + 4, 2) & 3, 3u);
  EXPECT_FALSE(answers());
  EXPECT_FALSE(card.bus_master());
  set_power(0);
  EXPECT_TRUE(answers());
  EXPECT_TRUE(card.bus_master());
  EXPECT_EQ(card.read_config(pci::kBar0, 4), kBar);
}

// 3.2.4: D1 and D2 are optional, and this function has neither.
TEST_F(PciInterrupt, OtherPowerStatesAreIgnored) {
  EXPECT_EQ(card.read_config(power + 2, 2), 3u);
  for (const unsigned state : {1u, 2u}) {
    set_power(state);
    EXPECT_EQ(card.read_config(power + 4, 2) & 3, 0u);
  }
  set_power(3);
  set_power(1);
  EXPECT_EQ(card.read_config(power + 4, 2) & 3, 3u);
}

}  // namespace
}  // namespace tandem::tests
