// 82093AA I/O APIC. Sections: Intel 82093AA data sheet (290566-001); its EOI register: ICH data sheets.
#include "devices/platform/ioapic.h"

#include "tests/device/lapic_fixture.h"

namespace tandem::tests {
namespace {

using namespace irq;
using cpu::Signal;

constexpr u64 kBase = 0xfec00000, kSelect = kBase, kWindow = kBase + 0x10, kEoi = kBase + 0x40;
constexpr u64 kLevel = 1 << 15, kMasked = 1 << 16, kRemoteIrr = 1 << 14, kLogical = 1 << 11;
constexpr u8 kVector = 0x61;

constexpr u64 to(u64 destination) { return destination << 56; }

class IoapicTest : public LapicFixture {
 protected:
  IoapicTest() {
    bench.map_memory(kBase, 0x1000, ioapic);
    bus.connect_eoi(ioapic);
  }
  u32 get(u8 reg) {
    bench.write(kSelect, reg);
    return static_cast<u32>(bench.read(kWindow));
  }
  void set(u8 reg, u32 value) {
    bench.write(kSelect, reg);
    bench.write(kWindow, value);
  }
  u64 entry(unsigned pin) {
    const u8 reg = static_cast<u8>(0x10 + 2 * pin);
    return get(reg) | u64{get(static_cast<u8>(reg + 1))} << 32;
  }
  void set_entry(unsigned pin, u64 value) {
    const u8 reg = static_cast<u8>(0x10 + 2 * pin);
    set(static_cast<u8>(reg + 1), static_cast<u32>(value >> 32));
    set(reg, static_cast<u32>(value));
  }
  void pulse(unsigned pin) {
    ioapic.set_irq(pin, true);
    ioapic.set_irq(pin, false);
  }

  devices::Ioapic ioapic{bus};
};

// 3.2.1 to 3.2.3: identification, version and number of entries, arbitration.
TEST_F(IoapicTest, Registers) {
  EXPECT_EQ(get(1), 0x00170020u);
  set(0, 0xffffffff);
  EXPECT_EQ(get(0), 0x0f000000u);
  EXPECT_EQ(get(2), 0x0f000000u) << "arbitration follows the id";
  set(1, 0);
  EXPECT_EQ(get(1), 0x00170020u);
  bench.write(kSelect, 0x2f);
  EXPECT_EQ(bench.read(kSelect), 0x2fu);
}

// 3.2.4 "I/O redirection table registers".
TEST_F(IoapicTest, EntriesAfterReset) {
  for (unsigned pin = 0; pin < 24; ++pin) EXPECT_EQ(entry(pin), kMasked) << pin;
  EXPECT_EQ(get(0x40), 0u) << "there is no pin 24";
}

TEST_F(IoapicTest, EntriesKeepWhatIsWritten) {
  set_entry(5, 0xab000000'0001'afffull);
  EXPECT_EQ(entry(5), 0xab000000'0001'afffull);
  set_entry(5, ~u64{0});
  EXPECT_EQ(entry(5), 0xff000000'0001'afffull) << "delivery status and remote IRR are read-only";
  EXPECT_EQ(entry(6), kMasked);
}

TEST_F(IoapicTest, SaysWhatBecameOfAnEdge) {
  using enum EdgeEffect;
  const auto edge = [this] {
    const EdgeEffect effect = ioapic.set_irq(4, true);
    EXPECT_EQ(ioapic.set_irq(4, false), None) << "falls";
    return effect;
  };
  EXPECT_EQ(edge(), None) << "masked";
  set_entry(4, to(2) | kVector);
  EXPECT_EQ(edge(), Requested);
  EXPECT_EQ(edge(), Coalesced);
  lapics[2]->take_interrupt();
  EXPECT_EQ(edge(), Requested) << "in service";
  set_entry(4, to(0xff) | kVector);
  EXPECT_EQ(edge(), Requested) << "by three of four";
  EXPECT_EQ(edge(), Coalesced) << "by all";
  set_entry(4, to(9) | kVector);
  EXPECT_EQ(edge(), None) << "nobody";
  set_entry(4, to(2) | 0x400);
  EXPECT_EQ(edge(), Requested) << "NMI";
  EXPECT_EQ(ioapic.set_irq(24, true), None) << "no such pin";
}

TEST_F(IoapicTest, EachPinHasItsEntry) {
  for (unsigned pin = 0; pin < 24; ++pin) set_entry(pin, to(pin % 4) | (0x30 + pin));
  for (unsigned pin = 0; pin < 24; ++pin) {
    pulse(pin);
    EXPECT_EQ(take_receivers(static_cast<u8>(0x30 + pin)), 1u << pin % 4) << pin;
  }
}

struct Row {
  const char* name;
  u64 entry;
  u32 receivers;
};

TEST_F(IoapicTest, Destinations) {
  constexpr u8 kTpr[] = {0x30, 0x20, 0x10, 0x00};
  for (u32 i = 0; i < kCpus; ++i) {
    write(i, kRegLdr, 1u << (24 + i));
    write(i, kRegTpr, kTpr[i]);
  }
  for (const Row& row :
       {Row{"physical", to(2), 0b0100}, Row{"physical, all", to(0xff), 0b1111},
        Row{"logical", to(0x0a) | kLogical, 0b1010},
        Row{"lowest priority", to(0x07) | kLogical | 0x100, 0b0100}, Row{"nobody", to(9), 0}}) {
    SCOPED_TRACE(row.name);
    set_entry(4, row.entry | kVector);
    pulse(4);
    EXPECT_EQ(take_receivers(kVector), row.receivers);
  }
}

// 3.2.4, delivery mode. NMI, SMI and INIT are edges whatever the entry says: none has an EOI.
TEST_F(IoapicTest, DeliveryModes) {
  struct Mode {
    const char* name;
    u64 entry;
    Signal signal;
  };
  for (const Mode& row : {Mode{"SMI", 0x200, Signal::Smi}, Mode{"NMI", 0x400, Signal::Nmi},
                          Mode{"INIT", 0x500, Signal::Init}}) {
    SCOPED_TRACE(row.name);
    for (u64 trigger : {u64{0}, kLevel}) {
      set_entry(4, to(2) | row.entry | trigger);
      for (unsigned i = 0; i < 2; ++i) {
        pulse(4);
        EXPECT_EQ(signals.take(), (std::vector<SignalRecord>{{2, row.signal}}));
      }
      EXPECT_FALSE(entry(4) & kRemoteIrr);
    }
  }
}

class FakePic final : public PicAcknowledge {
 public:
  u8 acknowledge() override { return 0x77; }
};

TEST_F(IoapicTest, ExternalInterrupt) {
  FakePic pic;
  bus.connect_pic(pic);
  set_entry(0, to(2) | 0x700);
  pulse(0);
  EXPECT_EQ(lapics[2]->take_interrupt(), 0x77);
  EXPECT_EQ(lapics[2]->take_interrupt(), std::nullopt);
}

// 3.2.4, "Interrupt mask": an edge on a masked pin is lost.
TEST_F(IoapicTest, MaskedEdgeIsLost) {
  set_entry(4, to(1) | kMasked | kVector);
  ioapic.set_irq(4, true);
  set_entry(4, to(1) | kVector);
  EXPECT_EQ(take_receivers(kVector), 0u);
  ioapic.set_irq(4, false);
  ioapic.set_irq(4, true);
  EXPECT_EQ(take_receivers(kVector), 0b0010u);
}

TEST_F(IoapicTest, EdgeCountsOnce) {
  set_entry(4, to(1) | kVector);
  ioapic.set_irq(4, true);
  ioapic.set_irq(4, true);
  EXPECT_EQ(take_receivers(kVector), 0b0010u);
  EXPECT_EQ(take_receivers(kVector), 0u);
  EXPECT_FALSE(entry(4) & kRemoteIrr);
}

TEST_F(IoapicTest, MaskedLevelWaits) {
  set_entry(10, to(1) | kMasked | kLevel | kVector);
  ioapic.set_irq(10, true);
  EXPECT_EQ(take_receivers(kVector), 0u);
  set_entry(10, to(1) | kLevel | kVector);
  EXPECT_TRUE(vector_bit(1, kRegIrr, kVector));
}

// 3.2.4, "Remote IRR": set when a CPU accepts a level, cleared by its EOI.
TEST_F(IoapicTest, LevelAsksAgainAfterEachEoi) {
  set_entry(10, to(1) | kLevel | kVector);
  ioapic.set_irq(10, true);
  EXPECT_TRUE(entry(10) & kRemoteIrr);
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_EQ(lapics[1]->take_interrupt(), kVector);
    EXPECT_EQ(lapics[1]->take_interrupt(), std::nullopt);
    cpu_eoi(1);
  }
  EXPECT_EQ(lapics[1]->take_interrupt(), kVector);
  ioapic.set_irq(10, false);
  EXPECT_TRUE(entry(10) & kRemoteIrr) << "the EOI is still to come";
  cpu_eoi(1);
  EXPECT_FALSE(entry(10) & kRemoteIrr);
  EXPECT_EQ(lapics[1]->take_interrupt(), std::nullopt);
}

TEST_F(IoapicTest, LevelDuringServiceComesOnce) {
  set_entry(10, to(1) | kLevel | kVector);
  ioapic.set_irq(10, true);
  EXPECT_EQ(lapics[1]->take_interrupt(), kVector);
  pulse(10);
  pulse(10);
  EXPECT_EQ(lapics[1]->take_interrupt(), std::nullopt);
  cpu_eoi(1);
  EXPECT_EQ(lapics[1]->take_interrupt(), std::nullopt) << "the line is low by now";
}

TEST_F(IoapicTest, EoiIsForItsVectorOnly) {
  set_entry(10, to(1) | kLevel | kVector);
  ioapic.set_irq(10, true);
  ioapic.end_of_interrupt(kVector + 1);
  EXPECT_TRUE(entry(10) & kRemoteIrr);
  ioapic.set_irq(10, false);
  bench.write(kEoi, kVector);
  EXPECT_FALSE(entry(10) & kRemoteIrr) << "the EOI register does as a message";
}

TEST_F(IoapicTest, EdgeModeForgetsRemoteIrr) {
  set_entry(10, to(1) | kLevel | kVector);
  ioapic.set_irq(10, true);
  set_entry(10, to(1) | kVector);
  set_entry(10, to(1) | kMasked | kLevel | kVector);
  EXPECT_FALSE(entry(10) & kRemoteIrr);
}

}  // namespace
}  // namespace tandem::tests
