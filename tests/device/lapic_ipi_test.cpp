// Messages between local APICs, MSI, x2APIC. Sections: Intel SDM volume 3, chapter 11.
#include "tests/device/lapic_fixture.h"

namespace tandem::tests {
namespace {

using namespace irq;
using cpu::Signal;

class LapicIpi : public LapicFixture {};
class X2apic : public LapicFixture {
 protected:
  X2apic() {
    for (u32 i = 0; i < kCpus; ++i) EXPECT_TRUE(wrmsr(i, kMsrApicBase, kX2apicOn | (i == 0 ? kBaseBsp : 0)));
  }
};

constexpr u64 to(u64 destination) { return destination << 56; }
constexpr u64 kLogical = 1 << 11, kLowest = 1 << 8, kSelf = 1 << 18, kAll = 2 << 18, kOthers = 3 << 18;
constexpr u8 kVector = 0x61;

struct IpiRow {
  const char* name;
  u64 icr;
  u32 receivers;  // mask of CPUs; sent by CPU 1
};

// 11.6.1 "Interrupt command register", 11.6.2.1 "Physical destination mode".
TEST_F(LapicIpi, PhysicalDestinationsAndShorthands) {
  for (const IpiRow& row :
       {IpiRow{"one", to(2), 0b0100}, IpiRow{"itself by number", to(1), 0b0010}, IpiRow{"nobody", to(9), 0},
        IpiRow{"broadcast", to(0xff), 0b1111}, IpiRow{"self", kSelf | to(3), 0b0010},
        IpiRow{"all", kAll, 0b1111}, IpiRow{"all but self", kOthers, 0b1101}}) {
    SCOPED_TRACE(row.name);
    send(1, row.icr | kVector);
    EXPECT_EQ(take_receivers(kVector), row.receivers);
  }
}

// 11.6.2.2 "Logical destination mode", flat model.
TEST_F(LapicIpi, LogicalFlatDestinations) {
  for (u32 i = 0; i < kCpus; ++i) {
    write(i, kRegDfr, 0xffffffff);
    write(i, kRegLdr, 1u << (24 + i));
  }
  for (const IpiRow& row : {IpiRow{"one", to(0x04), 0b0100}, IpiRow{"two", to(0x09), 0b1001},
                            IpiRow{"all", to(0xff), 0b1111}, IpiRow{"nobody", to(0x30), 0}}) {
    SCOPED_TRACE(row.name);
    send(1, row.icr | kLogical | kVector);
    EXPECT_EQ(take_receivers(kVector), row.receivers);
  }
}

// 11.6.2.2, cluster model: CPUs 0 and 1 in cluster 2, 2 and 3 in cluster 5.
TEST_F(LapicIpi, LogicalClusterDestinations) {
  constexpr u32 kIds[] = {0x21, 0x22, 0x51, 0x54};
  for (u32 i = 0; i < kCpus; ++i) {
    write(i, kRegDfr, 0x0fffffff);
    write(i, kRegLdr, kIds[i] << 24);
  }
  for (const IpiRow& row :
       {IpiRow{"one", to(0x22), 0b0010}, IpiRow{"a cluster", to(0x23), 0b0011},
        IpiRow{"the other cluster", to(0x5f), 0b1100}, IpiRow{"no such cluster", to(0x3f), 0},
        IpiRow{"no such member", to(0x58), 0}, IpiRow{"all", to(0xff), 0b1111}}) {
    SCOPED_TRACE(row.name);
    send(1, row.icr | kLogical | kVector);
    EXPECT_EQ(take_receivers(kVector), row.receivers);
  }
}

// 11.6.2.4 "Lowest priority delivery mode".
TEST_F(LapicIpi, LowestPriorityChoosesOne) {
  constexpr u8 kTpr[] = {0x40, 0x10, 0x30, 0x20};
  for (u32 i = 0; i < kCpus; ++i) {
    write(i, kRegLdr, 1u << (24 + i));
    write(i, kRegTpr, kTpr[i]);
  }
  for (const IpiRow& row :
       {IpiRow{"of all", kLogical | to(0xff), 0b0010}, IpiRow{"of two", kLogical | to(0x05), 0b0100},
        IpiRow{"of the others", kOthers, 0b1000}}) {
    SCOPED_TRACE(row.name);
    send(1, row.icr | kLowest | kVector);
    EXPECT_EQ(take_receivers(kVector), row.receivers);
  }
}

// 11.6.1, delivery modes.
TEST_F(LapicIpi, DeliveryModes) {
  struct Row {
    const char* name;
    u64 icr;
    std::vector<SignalRecord> signals;
  };
  const Row rows[] = {
      {"NMI", to(2) | 0x400, {{2, Signal::Nmi}}},
      {"SMI", to(2) | 0x200, {{2, Signal::Smi}}},
      {"INIT assert", to(2) | 0xc500, {{2, Signal::Init}}},
      {"INIT de-assert", kAll | 0x8500, {}},
      {"SIPI", to(3) | 0x600 | 0x9f, {{3, Signal::Startup, 0x9f}}},
      {"INIT to all others", kOthers | 0xc500, {{0, Signal::Init}, {2, Signal::Init}, {3, Signal::Init}}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    send(1, row.icr);
    EXPECT_EQ(signals.take(), row.signals);
  }
}

// 11.4.7.3 "Local APIC state after an INIT reset": as after power-up, but for the id.
TEST_F(LapicIpi, InitClearsTheApic) {
  accept(2, 0x50);
  write(2, kRegTpr, 0x33);
  send(1, to(2) | 0xc500);
  EXPECT_FALSE(lapics[2]->interrupt_pending());
  EXPECT_EQ(read(2, kRegSvr), 0xffu);
  EXPECT_EQ(read(2, kRegTpr), 0u);
  EXPECT_EQ(read(2, kRegId), 0x02000000u);
}

TEST_F(LapicIpi, CommandRegisterReadsBackIdle) {
  send(1, to(2) | 0x1000 | kVector);
  EXPECT_EQ(read(1, kRegIcrLow), kVector) << "delivery status is idle";
  EXPECT_EQ(read(1, kRegIcrHigh), 0x02000000u);
}

// 11.11 "Message signalled interrupts".
TEST_F(LapicIpi, Msi) {
  for (u32 i = 0; i < kCpus; ++i) write(i, kRegLdr, 1u << (24 + i));
  struct Row {
    const char* name;
    MsiMessage message;
    u32 receivers;
  };
  for (const Row& row :
       {Row{"physical", {0xfee02000, kVector}, 0b0100}, Row{"logical", {0xfee0a00c, kVector}, 0b1010},
        Row{"lowest priority", {0xfee0a00c, 0x100 | kVector}, 0b0010},
        Row{"not an interrupt's address", {0xfed02000, kVector}, 0}}) {
    SCOPED_TRACE(row.name);
    bus.send(row.message);
    EXPECT_EQ(take_receivers(kVector), row.receivers);
  }
}

// 11.12.5, figure 11-27: the ways between the modes.
TEST_F(LapicIpi, ModeChanges) {
  constexpr u64 kOff = 0, kXapic = 0x800, kX2 = 0xc00, kInvalid = 0x400;
  struct Row {
    u64 from, to;
    bool good;
  };
  for (const Row& row : {Row{kOff, kXapic, true}, Row{kOff, kX2, false}, Row{kOff, kInvalid, false},
                         Row{kXapic, kX2, true}, Row{kXapic, kOff, true}, Row{kXapic, kInvalid, false},
                         Row{kX2, kOff, true}, Row{kX2, kXapic, false}, Row{kX2, kInvalid, false}}) {
    SCOPED_TRACE(testing::Message() << std::hex << row.from << " to " << row.to);
    lapics[1]->reset(false);
    if (row.from == kX2) EXPECT_TRUE(wrmsr(1, kMsrApicBase, kDefaultBase | kX2));
    if (row.from == kOff) EXPECT_TRUE(wrmsr(1, kMsrApicBase, kDefaultBase));
    EXPECT_EQ(wrmsr(1, kMsrApicBase, kDefaultBase | row.to), row.good);
    EXPECT_EQ(rdmsr(1, kMsrApicBase), kDefaultBase | (row.good ? row.to : row.from));
  }
}

TEST_F(LapicIpi, NoX2apicMsrsInXapicMode) {
  EXPECT_EQ(rdmsr(1, 0x802), std::nullopt);
  EXPECT_FALSE(wrmsr(1, 0x80b, 0));
}

// Table 11-6, "Local APIC register address map supported by x2APIC", and 11.12.1.3 on reserved bits.
TEST_F(X2apic, RegisterAccess) {
  struct Row {
    const char* name;
    u32 msr;
    bool reads;
    u64 good, bad;  // values to be written; ~0 = no such value
  };
  constexpr u64 kNo = ~u64{0};
  for (const Row& row : {
           Row{"id", 0x802, true, kNo, 1},
           Row{"version", 0x803, true, kNo, 0},
           Row{"TPR", 0x808, true, 0x20, 0x100},
           Row{"PPR", 0x80a, true, kNo, 0},
           Row{"EOI", 0x80b, false, 0, 1},
           Row{"LDR", 0x80d, true, kNo, 0},
           Row{"DFR", 0x80e, false, kNo, 0xffffffff},
           Row{"SVR", 0x80f, true, 0x1ff, 0x10000},
           Row{"ISR", 0x810, true, kNo, 0},
           Row{"TMR", 0x81f, true, kNo, 0},
           Row{"IRR", 0x827, true, kNo, 0},
           Row{"ESR", 0x828, true, 0, 1},
           Row{"ICR", 0x830, true, u64{2} << 32 | 0x44, 0x100044},
           Row{"ICR high", 0x831, false, kNo, 0},
           Row{"timer", 0x832, true, 0x10030, 0x80030},
           Row{"thermal", 0x833, true, 0x10030, 0x20030},
           Row{"performance", 0x834, true, 0x10430, 0x20030},
           Row{"LINT0", 0x835, true, 0x18730, 0x20730},
           Row{"LINT1", 0x836, true, 0x10400, 0x20400},
           Row{"error", 0x837, true, 0x10030, 0x20030},
           Row{"initial count", 0x838, true, 0xffffffff, u64{1} << 32},
           Row{"current count", 0x839, true, kNo, 0},
           Row{"divide", 0x83e, true, 0x0b, 0x10},
           Row{"self IPI", 0x83f, false, 0x44, 0x100},
           Row{"reserved", 0x800, false, kNo, 0},
           Row{"APR", 0x809, false, kNo, 0},
           Row{"reserved", 0x80c, false, kNo, 0},
           Row{"reserved", 0x83d, false, kNo, 0},
       }) {
    SCOPED_TRACE(testing::Message() << row.name << ' ' << std::hex << row.msr);
    for (unsigned twice = 0; twice < 2; ++twice) {
      EXPECT_EQ(rdmsr(1, row.msr).has_value(), row.reads);
      if (row.good != kNo) EXPECT_TRUE(wrmsr(1, row.msr, row.good));
      EXPECT_FALSE(wrmsr(1, row.msr, row.bad));
    }
  }
  EXPECT_TRUE(wrmsr(1, 0x828, 0));
  EXPECT_EQ(rdmsr(1, 0x828), 0u) << "#GP is not an APIC error";
}

// 11.12.10.1 and 11.12.10.2: 32-bit ids, logical ones made from them; one write of ICR sends.
TEST_F(X2apic, Destinations) {
  EXPECT_EQ(rdmsr(2, 0x802), 2u);
  EXPECT_EQ(rdmsr(2, 0x80d), 4u);
  for (const IpiRow& row :
       {IpiRow{"one", u64{2} << 32, 0b0100}, IpiRow{"broadcast", u64{0xffffffff} << 32, 0b1111},
        IpiRow{"logical", kLogical | u64{0x0000000a} << 32, 0b1010},
        IpiRow{"another cluster", kLogical | u64{0x0001000f} << 32, 0}, IpiRow{"others", kOthers, 0b1101}}) {
    SCOPED_TRACE(row.name);
    EXPECT_TRUE(wrmsr(1, 0x830, row.icr | kVector));
    EXPECT_EQ(take_receivers(kVector), row.receivers);
  }
  EXPECT_EQ(rdmsr(1, 0x830), kOthers | kVector);
}

TEST_F(X2apic, LogicalIdsOfHigherClusters) {
  Lapic far(VcpuId{0x25}, bench.clock, bus, signals);
  cpu::MsrAccess on{kMsrApicBase, bus::IoDir::Write, VcpuId{0x25}, kX2apicOn};
  EXPECT_TRUE(far.msr(on));
  cpu::MsrAccess ldr{0x80d, bus::IoDir::Read, VcpuId{0x25}, 0};
  EXPECT_TRUE(far.msr(ldr));
  EXPECT_EQ(ldr.value, 0x00020020u);
}

// 11.12.11 "SELF IPI register".
TEST_F(X2apic, SelfIpi) {
  EXPECT_TRUE(wrmsr(1, 0x83f, kVector));
  EXPECT_EQ(take_receivers(kVector), 0b0010u);
  EXPECT_TRUE(wrmsr(1, 0x83f, 0x0a));
  EXPECT_TRUE(wrmsr(1, 0x828, 0));
  EXPECT_EQ(rdmsr(1, 0x828), kEsrSendIllegalVector);
}

}  // namespace
}  // namespace tandem::tests
