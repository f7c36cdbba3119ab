// Doorbells that the kernel takes: which ones it is given, and who hears of them.
#include "hwassist/kvm/doorbells.h"

#include <gmock/gmock.h>
#include <sys/eventfd.h>

#include <atomic>
#include <chrono>

#include "core/machine/machine.h"
#include "tests/hwassist/fake_kvm.h"
#include "tests/support/kvm_engines.h"

namespace tandem::tests {
namespace {

using hwassist::kvm::Doorbells;
using hwassist::kvm::Fd;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr u64 kStart = 0xe0000000, kBytes = 0x1000;

class Listener final : public bus::IoHandler {
 public:
  void io(bus::IoAccess& access) override {
    if (access.dir != bus::IoDir::Write) return;
    ++(access.value ? direct : rung);
    last_offset = access.offset;
    on_write(access.offset);
  }
  std::function<void(u64)> on_write = [](u64) {};
  std::atomic<unsigned> direct = 0, rung = 0;
  std::atomic<u64> last_offset = 0;
};

class DoorbellsTest : public testing::Test {
 protected:
  std::unique_ptr<Doorbells> make() { return Doorbells::create(vm, {&pio, &mmio}); }
  bus::Claim claim(u64 start) { return mmio.claim({start, kBytes}, device, "device").take(); }
  std::vector<u64> given() {
    std::vector<u64> all;
    for (const kvm_ioeventfd& d : fake->doorbells) all.push_back(d.addr);
    return all;
  }
  void ring(std::size_t n) { eventfd_write(fake->doorbells.at(n).fd, 1); }
  bool comes(unsigned rings) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (device.rung < rings && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return device.rung == rings;
  }

  std::shared_ptr<FakeKvm> fake = std::make_shared<FakeKvm>();
  Fd vm{fake, FakeKvm::kVm};
  bus::Bus pio{bus::BusKind::Pio}, mmio{bus::BusKind::Mmio};
  Listener device;
};

TEST_F(DoorbellsTest, TheKernelIsGivenWhatThereIs) {
  bus::Claim held = claim(kStart);
  held.set_doorbells({{0x10}});
  auto doorbells = make();
  EXPECT_THAT(given(), ElementsAre(kStart + 0x10)) << "from before";
  EXPECT_EQ(fake->doorbells[0].len, 0u) << "a write of any size";
  EXPECT_EQ(fake->doorbells[0].flags, 0u) << "of any value";
  held.set_doorbells({{0x10}, {0x20}});
  EXPECT_THAT(given(), ElementsAre(kStart + 0x10, kStart + 0x20));
  held.set_doorbells({{0x20}});
  EXPECT_THAT(given(), ElementsAre(kStart + 0x20));
  held.release();
  EXPECT_THAT(given(), IsEmpty());
  held = claim(kStart + 0x10000);
  EXPECT_THAT(given(), IsEmpty());
  held.set_doorbells({{0}});
  EXPECT_THAT(given(), ElementsAre(kStart + 0x10000));
  doorbells.reset();
  EXPECT_THAT(given(), IsEmpty()) << "another engine";
}

TEST_F(DoorbellsTest, OneOfAValueTakesThatAlone) {
  bus::Claim ports = pio.claim({0xc000, 0x20}, device, "device").take();
  ports.set_doorbells({{0x10, 2, 0}, {0x10, 2, 3}});
  const auto doorbells = make();
  ASSERT_THAT(given(), ElementsAre(0xc010, 0xc010));
  for (const kvm_ioeventfd& d : fake->doorbells) {
    EXPECT_EQ(d.len, 2u);
    EXPECT_EQ(d.flags, u32{KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH});
  }
  EXPECT_EQ(fake->doorbells[0].datamatch, 0u);
  EXPECT_EQ(fake->doorbells[1].datamatch, 3u);
  ring(1);
  doorbells->deliver();
  EXPECT_EQ(device.direct, 1u) << "as a write of that value";
  EXPECT_EQ(device.last_offset, 0x10u);
  ports.set_doorbells({{0x10, 2, 3}});
  EXPECT_EQ(fake->doorbells.at(0).datamatch, 3u);
}

TEST_F(DoorbellsTest, AnOlderKvmTakesTheUsualSize) {
  fake->lacking.insert(KVM_CAP_IOEVENTFD_ANY_LENGTH);
  bus::Claim held = claim(kStart);
  held.set_doorbells({{0x10}});
  const auto doorbells = make();
  EXPECT_EQ(fake->doorbells.at(0).len, 2u);
}

TEST_F(DoorbellsTest, AKvmWithoutHasNone) {
  fake->lacking.insert(KVM_CAP_IOEVENTFD);
  EXPECT_EQ(make(), nullptr);
}

TEST_F(DoorbellsTest, ARefusedOneStaysWithTheExits) {
  bus::Claim held = claim(kStart);
  auto doorbells = make();
  fake->refused[KVM_IOEVENTFD] = -ENOSPC;
  held.set_doorbells({{0x10}});
  EXPECT_THAT(given(), IsEmpty());
  fake->refused.clear();
  held.set_doorbells({{0x10}, {0x20}});
  EXPECT_THAT(given(), ElementsAre(kStart + 0x10, kStart + 0x20)) << "tried again";
}

TEST_F(DoorbellsTest, TheHandlerHearsOfARing) {
  bus::Claim held = claim(kStart);
  held.set_doorbells({{0x10}, {0x20}});
  const auto doorbells = make();
  ring(1);
  EXPECT_TRUE(comes(1));
  EXPECT_EQ(device.last_offset, 0x20u);
}

TEST_F(DoorbellsTest, WhatWasRungIsDeliveredAtTheLatestWhenAVcpuStops) {
  bus::Claim held = claim(kStart);
  held.set_doorbells({{0x10}});
  const auto doorbells = make();
  for (unsigned n = 1; n <= 1000; ++n) {
    ring(0);
    doorbells->deliver();
    ASSERT_EQ(device.rung, n);
  }
}

TEST_F(DoorbellsTest, WhatWasRungBeforeItWentIsDeliveredToo) {
  const auto doorbells = make();
  for (unsigned n = 1; n <= 1000; ++n) {
    bus::Claim held = claim(kStart);
    held.set_doorbells({{0x10}});
    ring(0);
    held.release();
    doorbells->deliver();
    ASSERT_EQ(device.rung, n);
  }
}

// --- On the KVM of this host ------------------------------------------------------------------------------

constexpr unsigned kWrites = 1000;
constexpr u64 kHole = 0xd0000, kHoleBytes = 16 * KiB, kAt = 0x10, kNoDoorbell = 0x20;

// Real mode: writes 1234h so many times, goes somewhere else once, and halts for good.
constexpr u8 kCode[] = {
    0xb8,         0x00,
    0xd0,         0x8e,
    0xd8,  // mov ax, 0d000h; mov ds, ax
    0xb9,         kWrites & 0xff,
    kWrites >> 8,  // mov cx, kWrites
    0xb8,         0x34,
    0x12,  // mov ax, 1234h
    0xa3,         kAt,
    0x00,                // mov [kAt], ax
    0xe2,         0xfb,  // loop
    0xa3,         kNoDoorbell,
    0x00,         0xfa,
    0xf4,  // mov [kNoDoorbell], ax; cli; hlt
};

// For ever: writes there, and waits until the word at kAnswers changes.
constexpr u64 kAnswers = 0x500;
constexpr u8 kConversation[] = {
    0x31, 0xc0, 0x8e, 0xc0,        // xor ax, ax; mov es, ax
    0xb8, 0x00, 0xd0, 0x8e, 0xd8,  // mov ax, 0d000h; mov ds, ax
    0xb8, 0x34, 0x12,              // mov ax, 1234h
    0x26, 0x8b, 0x1e, 0x00, 0x05,  // again: mov bx, es:[kAnswers]
    0xa3, kAt,  0x00,              // mov [kAt], ax
    0x26, 0x3b, 0x1e, 0x00, 0x05,  // wait: cmp bx, es:[kAnswers]
    0x74, 0xf9, 0xeb, 0xef,        // je wait; jmp again
};

// The same by a port, with another value at last; in between, a word says that all have been written.
constexpr u16 kPort = 0xc010;
constexpr u64 kAllWritten = 0x600;
constexpr u8 kByPort[] = {
    0x31,
    0xc0,
    0x8e,
    0xd8,  // xor ax, ax; mov ds, ax
    0xba,
    kPort & 0xff,
    kPort >> 8,  // mov dx, kPort
    0xb9,
    kWrites & 0xff,
    kWrites >> 8,  // mov cx, kWrites
    0xb8,
    0x03,
    0x00,  // mov ax, 3
    0xef,
    0xe2,
    0xfd,  // again: out dx, ax; loop again
    0xa3,
    kAllWritten & 0xff,
    kAllWritten >> 8,  // mov [kAllWritten], ax
    0x40,
    0xef,
    0xfa,
    0xf4,  // inc ax; out dx, ax; cli; hlt
};

class RealDoorbells : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string obstacle = kvm_obstacle(); !obstacle.empty()) GTEST_SKIP() << obstacle;
  }
  void start(cpu::Engine& engine, std::span<const u8> code = kCode) {
    machine = machine::Machine::create({.memory_bytes = 1 * MiB, .model = &model}, engine).take();
    machine->memory().set_legacy(Gpa{kHole}, kHoleBytes, {});
    machine->memory().write(Gpa{0x1000}, code);
    claim = machine->mmio().claim({kHole, kHoleBytes}, device, "device").take();
    claim.set_doorbells({{kAt}});
    cpu::CpuState s = cpu::reset_state(true, 0);
    s.segments[cpu::kCs].base = s.segments[cpu::kCs].selector = 0;
    s.rip = 0x1000;
    ASSERT_TRUE(machine->reset_cpus(s));
  }
  void run() {
    device.on_write = [this](u64 offset) {
      if (offset == kNoDoorbell) machine->stop({});
    };
    EXPECT_EQ(machine->run().kind, machine::RunOutcome::Kind::Stopped);
  }

  cpu::CpuModel model = cpu::default_cpu_model();
  std::unique_ptr<cpu::Engine> kvm = kvm_row("kvm", hwassist::Assist::Full).make();
  std::unique_ptr<cpu::Engine> interpreter = interp::make_interp_engine();
  std::unique_ptr<machine::Machine> machine;
  Listener device;
  bus::Claim claim;
};

TEST_F(RealDoorbells, AreRungWithoutAnExit) {
  start(*kvm);
  run();
  EXPECT_EQ(device.direct, 1u) << "beside the doorbell";
  EXPECT_GE(device.rung, 1u);
  EXPECT_LE(device.rung, kWrites);
}

// The device is at work until the guest has made all its writes: none of them waits for it.
TEST_F(RealDoorbells, OfAValueAtAPortAreRungWithoutAnExit) {
  class Port final : public bus::IoHandler {
   public:
    explicit Port(machine::Machine& machine) : machine_(machine) {}
    void io(bus::IoAccess& access) override {
      if (access.value != 3) return ++others, machine_.stop({});
      ++rung;
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (!machine_.memory().read_value<u16>(Gpa{kAllWritten}) && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
      if (!machine_.memory().read_value<u16>(Gpa{kAllWritten})) waited_in_vain = true;
    }
    std::atomic<unsigned> rung = 0, others = 0;
    std::atomic<bool> waited_in_vain = false;

   private:
    machine::Machine& machine_;
  };
  start(*kvm, kByPort);
  Port port(*machine);
  bus::Claim ports = machine->pio().claim({kPort, 2}, port, "port").take();
  ports.set_doorbells({{0, 2, 3}});
  EXPECT_EQ(machine->run().kind, machine::RunOutcome::Kind::Stopped);
  EXPECT_FALSE(port.waited_in_vain);
  EXPECT_EQ(port.others, 1u);
  EXPECT_GE(port.rung, 1u);
  EXPECT_LE(port.rung, kWrites);
}

// Who wants to see all writes sees all.
TEST_F(RealDoorbells, AreNoneWhereWritesAreTraced) {
  class Nowhere final : public trace::Sink {
    void take(const trace::Record&) override {}
  };
  start(*kvm);
  machine->tracer().start(trace::Filter::parse("mmio_write").take(), std::make_unique<Nowhere>());
  EXPECT_EQ(machine->doorbell_bus(bus::BusKind::Mmio), nullptr);
  EXPECT_EQ(machine->doorbell_bus(bus::BusKind::Pio), &machine->pio()) << "port_write is another point";
  run();
  EXPECT_EQ(device.direct, kWrites + 1);
  EXPECT_EQ(device.rung, 0u);
}

TEST_F(RealDoorbells, AreWritesToTheDeviceOnceTheyAreTakenBack) {
  start(*kvm);
  claim.set_doorbells({});
  run();
  EXPECT_EQ(device.direct, kWrites + 1);
  EXPECT_EQ(device.rung, 0u);
}

TEST_F(RealDoorbells, AreWritesToTheDeviceForASoftwareEngine) {
  start(*kvm);
  ASSERT_TRUE(machine->switch_engine(*interpreter));
  run();
  EXPECT_EQ(device.direct, kWrites + 1);
  EXPECT_EQ(device.rung, 0u);
}

// A lost ring would leave the guest waiting.
TEST_F(RealDoorbells, NoneIsLostWhileEnginesChange) {
  constexpr unsigned kSwitches = 100, kMore = 3;
  start(*kvm, kConversation);
  std::atomic<u16> answers = 0;
  device.on_write = [&](u64) { machine->memory().write_value<u16>(Gpa{kAnswers}, ++answers); };
  const auto goes_on = [&] {
    const u16 now = answers;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (static_cast<u16>(answers - now) < kMore && std::chrono::steady_clock::now() < end)
      std::this_thread::yield();
    return static_cast<u16>(answers - now) >= kMore;
  };
  std::jthread switcher([&] {
    for (unsigned i = 0; i < kSwitches && goes_on(); ++i)
      EXPECT_TRUE(machine->switch_engine(i % 2 ? *kvm : *interpreter));
    EXPECT_TRUE(goes_on()) << "a ring was lost";
    machine->stop({});
  });
  machine->run();
  switcher.join();
  EXPECT_GE(device.rung, kMore * kSwitches / 2);
  EXPECT_GE(device.direct, kMore * kSwitches / 2);
}

}  // namespace
}  // namespace tandem::tests
