// PCI host bridge, configuration space, interrupt routing. Sections: 82441FX data sheet, 3.1; 82371SB data
// sheet, 2.2 and 2.5; PCI Local Bus Specification 3.0, chapter 6.
#include <gtest/gtest.h>

#include "devices/pci/i440fx.h"
#include "devices/pci/piix.h"
#include "devices/pci/regs.h"
#include "tests/support/device_bench.h"

namespace tandem::tests {
namespace {

using namespace devices;

constexpr u16 kAddress = 0xcf8, kResetControl = 0xcf9, kData = 0xcfc;
constexpr u64 kEnable = 0x80000000;

// A function with a BAR of each kind; its registers give the BAR's number and the offset.
class Card final : public PciDevice {
 public:
  explicit Card(machine::DeviceContext context)
      : PciDevice(context, {.vendor = 0x1234, .device = 0x5678, .class_code = 0x0c0330, .interrupt_pin = 1}) {
    add_bar(0, BarKind::Io, 0x20, io_);
    add_bar(1, BarKind::Memory32, 0x1000, memory_);
    add_bar(2, BarKind::Prefetchable64, 0x10000, wide_);
    capability = add_capability(0x09, 6);
    second_capability = add_capability(0x05, 14);
  }
  std::string_view name() const override { return "card"; }
  void reset(machine::ResetKind) override { reset_config(); }
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter&) const override {}
  Result<void> load(snapshot::StateReader&) override { return {}; }

  unsigned capability = 0, second_capability = 0;

 private:
  struct Echo final : bus::IoHandler {
    explicit Echo(u64 n) : number(n) {}
    void io(bus::IoAccess& access) override { access.value = number << 8 | access.offset; }
    u64 number;
  };
  Echo io_{0}, memory_{1}, wide_{2};
};

class PciTest : public testing::Test {
 protected:
  PciTest() {
    bench.map_ports(kAddress, 8, bridge.config_ports(), 4);
    bridge.plug(1, 0, piix3);
    bridge.plug(5, 2, card);
  }
  static std::array<irq::IrqWire*, 16> isa(DeviceBench& bench) {
    std::array<irq::IrqWire*, 16> wires;
    for (unsigned i = 0; i < 16; ++i) wires[i] = &bench.wires.wire(i);
    return wires;
  }
  static u64 address(unsigned slot, unsigned function, unsigned reg) {
    return kEnable | slot << 11 | function << 8 | (reg & 0xfc);
  }
  u64 get(unsigned slot, unsigned function, unsigned reg, u8 size = 4) {
    bench.out(kAddress, address(slot, function, reg), 4);
    return bench.in(static_cast<u16>(kData + (reg & 3)), size);
  }
  void set(unsigned slot, unsigned function, unsigned reg, u64 value, u8 size = 4) {
    bench.out(kAddress, address(slot, function, reg), 4);
    bench.out(static_cast<u16>(kData + (reg & 3)), value, size);
  }
  u64 card_get(unsigned reg, u8 size = 4) { return get(5, 2, reg, size); }
  void card_set(unsigned reg, u64 value, u8 size = 4) { set(5, 2, reg, value, size); }

  DeviceBench bench;
  unsigned resets = 0;
  I440fx bridge{bench.context(), [this] { ++resets; }};
  Piix3 piix3{bench.context(), isa(bench)};
  Card card{bench.context()};
};

// 82441FX, 3.1.1 "CONFADD": a dword register; bytes and words of it are other ports.
TEST_F(PciTest, AddressRegister) {
  bench.out(kAddress, 0xffffffff, 4);
  EXPECT_EQ(bench.in(kAddress, 4), 0x80fffffcu);
  bench.out(kAddress, 0x12, 1);
  bench.out(kAddress, 0x1234, 2);
  EXPECT_EQ(bench.in(kAddress, 4), 0x80fffffcu);
  EXPECT_EQ(bench.in(kAddress, 1), 0xffu);
}

TEST_F(PciTest, FindsFunctions) {
  struct Row {
    const char* name;
    u64 address;
    u64 value;
  };
  for (const Row& row :
       {Row{"host bridge", address(0, 0, 0), 0x12378086}, Row{"PIIX3", address(1, 0, 0), 0x70008086},
        Row{"card", address(5, 2, 0), 0x56781234}, Row{"empty slot", address(6, 0, 0), 0xffffffff},
        Row{"empty function", address(5, 1, 0), 0xffffffff},
        Row{"another bus", address(0, 0, 0) | 1 << 16, 0xffffffff}, Row{"not enabled", 0, 0xffffffff}}) {
    SCOPED_TRACE(row.name);
    bench.out(kAddress, row.address, 4);
    EXPECT_EQ(bench.in(kData, 4), row.value);
  }
}

TEST_F(PciTest, BytesAndWordsOfTheData) {
  EXPECT_EQ(card_get(0, 2), 0x1234u);
  EXPECT_EQ(card_get(2, 2), 0x5678u);
  EXPECT_EQ(card_get(1, 1), 0x12u);
  EXPECT_EQ(card_get(3, 1), 0x56u);
  EXPECT_EQ(card_get(pci::kClass, 1), 0x30u);
  EXPECT_EQ(card_get(pci::kClass + 1, 2), 0x0c03u);
}

// PCI 6.1, 6.2: what can't be written.
TEST_F(PciTest, ReadOnlyRegisters) {
  for (unsigned reg : {0x00u, 0x08u, 0x2cu}) {
    const u64 before = card_get(reg);
    card_set(reg, ~before);
    EXPECT_EQ(card_get(reg), before) << reg;
  }
  card_set(pci::kCommand, 0xffff, 2);
  EXPECT_EQ(card_get(pci::kCommand, 2), 0x0407u);
  card_set(pci::kInterruptLine, 0xff0b, 2);
  EXPECT_EQ(card_get(pci::kInterruptLine, 2), 0x010bu) << "the pin is read-only";
}

TEST_F(PciTest, MultifunctionBit) {
  EXPECT_EQ(get(1, 0, pci::kHeaderType, 1), 0x80u);
  EXPECT_EQ(card_get(pci::kHeaderType, 1), 0x00u);
}

// PCI 6.2.5.1 "Address maps": ones written read back as the size.
TEST_F(PciTest, BarSizes) {
  struct Row {
    unsigned reg;
    u64 size;
  };
  for (const Row& row : {Row{0x10, 0xffffffe1}, Row{0x14, 0xfffff000}, Row{0x18, 0xffff000c},
                         Row{0x1c, 0xffffffff}, Row{0x20, 0}, Row{0x24, 0}, Row{0x30, 0}}) {
    card_set(row.reg, 0xffffffff);
    EXPECT_EQ(card_get(row.reg), row.size) << std::hex << row.reg;
  }
}

TEST_F(PciTest, BarsDecodeWhenEnabled) {
  card_set(0x10, 0xc000);
  card_set(0x14, 0xe0000000);
  card_set(0x18, 0x40000000);
  card_set(0x1c, 0x00000080);
  EXPECT_EQ(bench.in(0xc004, 2), 0xffffu);
  card_set(pci::kCommand, pci::kCommandIo, 2);
  EXPECT_EQ(bench.in(0xc004, 2), 0x0004u);
  EXPECT_EQ(bench.read(0xe0000010), 0xffffffffu);
  card_set(pci::kCommand, pci::kCommandIo | pci::kCommandMemory, 2);
  EXPECT_EQ(bench.read(0xe0000010), 0x0110u);
  EXPECT_EQ(bench.read(0x80'40000020), 0x0220u);
  card_set(pci::kCommand, 0, 2);
  EXPECT_EQ(bench.in(0xc004, 2), 0xffffu);
}

TEST_F(PciTest, BarsMove) {
  card_set(pci::kCommand, pci::kCommandMemory, 2);
  card_set(0x14, 0xe0000000);
  card_set(0x14, 0xffffffff);
  EXPECT_EQ(bench.read(0xe0000010), 0xffffffffu) << "while it is measured";
  card_set(0x14, 0xe0100000);
  EXPECT_EQ(bench.read(0xe0100010), 0x0110u);
  card.reset(machine::ResetKind::System);
  EXPECT_EQ(bench.read(0xe0100010), 0xffffffffu);
  EXPECT_EQ(card_get(0x14), 0u);
}

// PCI 6.7 "Capabilities list".
TEST_F(PciTest, CapabilitiesAreLinked) {
  EXPECT_TRUE(card_get(pci::kStatus, 2) & pci::kStatusCapabilities);
  EXPECT_EQ(card_get(pci::kCapabilities, 1), card.capability);
  EXPECT_EQ(card_get(card.capability, 2), card.second_capability << 8 | 0x09u);
  EXPECT_EQ(card_get(card.second_capability, 2), 0x0005u);
  EXPECT_EQ(get(0, 0, pci::kStatus, 2) & pci::kStatusCapabilities, 0u);
}

// 82371SB, 2.5.3.1 "RC: reset control register": a rising edge of bit 2.
TEST_F(PciTest, ResetControl) {
  bench.out(kResetControl, 0x02);
  EXPECT_EQ(resets, 0u);
  EXPECT_EQ(bench.in(kResetControl), 0x02u);
  bench.out(kResetControl, 0x06);
  EXPECT_EQ(resets, 1u);
  bridge.reset(machine::ResetKind::System);
  EXPECT_EQ(bench.in(kResetControl), 0x00u);
  bench.out(kResetControl, 0x04);
  EXPECT_EQ(resets, 2u);
}

TEST_F(PciTest, BridgeRegisters) {
  EXPECT_EQ(get(0, 0, 0x72, 1), 0x02u) << "SMRAM";
  set(0, 0, 0x59, 0x33, 1);
  EXPECT_EQ(get(0, 0, 0x59, 1), 0x33u) << "PAM0";
  bridge.reset(machine::ResetKind::System);
  EXPECT_EQ(get(0, 0, 0x59, 1), 0x00u);
  EXPECT_EQ(bench.in(kAddress, 4), address(0, 0, 0x59)) << "the last access above";
}

// 82441FX, 3.2.18 "PAM", 3.2.19 "SMRAM".
class LegacyWindowTest : public testing::Test {
 protected:
  LegacyWindowTest() {
    rom = memory().allocate(128 * KiB).take();
    for (u64 at = mem::kLegacyStart; at < mem::kLegacyEnd; at += mem::kLegacyPiece)
      memory().write_value<u8>(Gpa{at}, kRam);
    std::fill_n(memory().base() + rom, 128 * KiB, kRom);
    bridge = std::make_unique<I440fx>(bench.context(), [] {}, LegacyWindow{.rom = rom});
    bridge->reset(machine::ResetKind::PowerOn);
  }
  mem::GuestMemory& memory() { return bench.context().memory; }
  u8 read(u64 at) { return memory().read_value<u8>(Gpa{at}); }

  static constexpr u8 kRam = 0x11, kRom = 0x22, kNothing = 0xff, kNew = 0x33;
  DeviceBench bench;
  u64 rom = 0;
  std::unique_ptr<I440fx> bridge;
};

TEST_F(LegacyWindowTest, EachPieceHasFourKinds) {
  struct Row {
    unsigned reg, shift;
    u64 start;
    u8 behind;  // what is there without RAM
  };
  for (const Row& row :
       {Row{0x59, 4, 0xf0000, kRom}, Row{0x5a, 0, 0xc0000, kNothing}, Row{0x5a, 4, 0xc4000, kNothing},
        Row{0x5d, 4, 0xdc000, kNothing}, Row{0x5e, 0, 0xe0000, kRom}, Row{0x5f, 4, 0xec000, kRom}}) {
    SCOPED_TRACE(row.start);
    for (const u8 attributes : {0, 1, 2, 3}) {
      SCOPED_TRACE(unsigned{attributes});
      bridge->write_config(row.reg, 1, 3u << row.shift);
      memory().write_value<u8>(Gpa{row.start}, kRam);
      bridge->write_config(row.reg, 1, u32{attributes} << row.shift);
      EXPECT_EQ(read(row.start), attributes & 1 ? kRam : row.behind);
      EXPECT_EQ(memory().write_value<u8>(Gpa{row.start}, kNew), (attributes & 2) != 0);
      bridge->write_config(row.reg, 1, 3u << row.shift);
      EXPECT_EQ(read(row.start), attributes & 2 ? kNew : kRam);
    }
  }
  EXPECT_EQ(memory().base()[rom], kRom) << "the ROM itself";
}

TEST_F(LegacyWindowTest, SmramOpensAndLocks) {
  EXPECT_EQ(read(0xa0000), kNothing);
  bridge->write_config(0x72, 1, 0x48);
  EXPECT_EQ(read(0xa0000), kRam);
  EXPECT_EQ(memory().smram(), mem::Smram::All);
  bridge->write_config(0x72, 1, 0x28);
  EXPECT_EQ(read(0xbffff), kNothing);
  EXPECT_EQ(memory().smram(), mem::Smram::CodeOnly);
  bridge->write_config(0x72, 1, 0x58);
  EXPECT_EQ(bridge->read_config(0x72, 1), 0x1au) << "locked: closed";
  EXPECT_EQ(read(0xa0000), kNothing);
  bridge->write_config(0x72, 1, 0x40);
  EXPECT_EQ(bridge->read_config(0x72, 1), 0x1au);
  bridge->reset(machine::ResetKind::System);
  EXPECT_EQ(bridge->read_config(0x72, 1), 0x02u);
  EXPECT_EQ(memory().smram(), mem::Smram::Off);
}

TEST_F(LegacyWindowTest, ComesBackWithItsState) {
  bridge->write_config(0x59, 1, 0x10);
  bridge->write_config(0x72, 1, 0x58);
  snapshot::StateWriter writer;
  bridge->save(writer);
  bridge->reset(machine::ResetKind::PowerOn);
  auto reader = snapshot::StateReader::open(writer.finish());
  ASSERT_TRUE(bridge->load(reader.value()));
  EXPECT_EQ(read(0xf0000), kRam);
  EXPECT_FALSE(memory().write_value<u8>(Gpa{0xf0000}, kNew));
  bridge->write_config(0x72, 1, 0x48);
  EXPECT_EQ(read(0xa0000), kNothing) << "still locked";
}

// 82371SB, 2.2.6 "PIRQRC[A:D]": four lines to the ISA interrupts.
TEST_F(PciTest, PirqRouting) {
  constexpr unsigned kRoutes = 0x60;
  for (unsigned pirq = 0; pirq < 4; ++pirq) {
    set(1, 0, kRoutes + pirq, 5, 1);
    piix3.set_irq(pirq, true);
    EXPECT_TRUE(bench.wires.level(5)) << pirq;
    set(1, 0, kRoutes + pirq, 7, 1);
    EXPECT_FALSE(bench.wires.level(5)) << "moved while asserted";
    EXPECT_TRUE(bench.wires.level(7));
    set(1, 0, kRoutes + pirq, 0x87, 1);
    EXPECT_FALSE(bench.wires.level(7)) << "off";
    piix3.set_irq(pirq, false);
  }
}

TEST_F(PciTest, PirqsShareAnInterrupt) {
  set(1, 0, 0x60, 0x0b0b0b0b);
  piix3.set_irq(0, true);
  piix3.set_irq(3, true);
  piix3.set_irq(0, false);
  EXPECT_TRUE(bench.wires.level(11));
  piix3.set_irq(3, false);
  EXPECT_FALSE(bench.wires.level(11));
}

TEST_F(PciTest, PirqsKeepOffTheBoardsInterrupts) {
  for (unsigned isa_irq : {0u, 1u, 2u, 8u, 13u}) {
    set(1, 0, 0x60, isa_irq, 1);
    piix3.set_irq(0, true);
    EXPECT_FALSE(bench.wires.level(isa_irq)) << isa_irq;
    piix3.set_irq(0, false);
  }
}

}  // namespace
}  // namespace tandem::tests
