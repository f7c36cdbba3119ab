// The notifications of each virtio device, by each transport, taken by the kernel: it is given the right
// place, and the device does its work when that is rung.
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <chrono>
#include <filesystem>

#include "core/machine/machine.h"
#include "devices/backend/p9/server.h"
#include "devices/virtio/balloon.h"
#include "devices/virtio/block.h"
#include "devices/virtio/console.h"
#include "devices/virtio/entropy.h"
#include "devices/virtio/gpu/gpu.h"
#include "devices/virtio/input.h"
#include "devices/virtio/mmio_transport.h"
#include "devices/virtio/net.h"
#include "devices/virtio/plan9.h"
#include "devices/virtio/vsock.h"
#include "hwassist/kvm/doorbells.h"
#include "tests/hwassist/fake_kvm.h"
#include "tests/support/fake_disk.h"
#include "tests/support/fake_network.h"
#include "tests/support/kvm_engines.h"
#include "tests/support/line_backend.h"
#include "tests/virtio/mmio_driver.h"
#include "tests/virtio/virtio_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices;
using namespace devices::virtio;
using hwassist::kvm::Doorbells;

bool in_time(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!done())
    if (std::chrono::steady_clock::now() > end) return false;
    else std::this_thread::yield();
  return true;
}

// What devices need of the host.
struct BackEnds {
  FakeDisk disk{1 * MiB};
  LineBackend line;
  std::shared_ptr<FakeNetwork::Shared> network = std::make_shared<FakeNetwork::Shared>();
  NetBackend net{std::make_unique<FakeNetwork>(network)};
  std::unique_ptr<p9::Server> server = p9::Server::open(std::filesystem::temp_directory_path(), true).take();
  BackEnds() { disk.at_hand = true; }
};

using Context = machine::DeviceContext;
void fill(std::span<u8> bytes) { std::ranges::fill(bytes, u8{7}); }
std::unique_ptr<Model> input(const Context& c, Input::Kind kind) {
  return std::make_unique<Input>(c, "input", kind);
}

struct DeviceRow {
  const char* name;
  bool for_old_drivers;
  u16 queue;  // on which the driver gives it something to do
  std::function<std::unique_ptr<Model>(const Context&, BackEnds&)> make;
};
const DeviceRow kDevices[] = {
    {"block", true, 1,
     [](auto& c, auto& b) { return std::make_unique<Block>(c, "vda", b.disk, "serial", u16{2}); }},
    {"net", true, 1,
     [](auto& c, auto& b) {
       return std::make_unique<Net>(c, "net", b.net, MacAddress{2, 0, 0, 0, 0, 1}, u16{1});
     }},
    {"console", true, 1,
     [](auto& c, auto& b) {
       return std::make_unique<Console>(c, "console", std::vector<ConsolePort>{{"", &b.line}});
     }},
    {"entropy", true, 0, [](auto& c, auto&) { return std::make_unique<Entropy>(c, "rng", fill); }},
    {"balloon", true, 0, [](auto& c, auto&) { return std::make_unique<Balloon>(c, "balloon"); }},
    {"plan9", true, 0,
     [](auto& c, auto& b) { return std::make_unique<Plan9>(c, "share", *b.server, "host"); }},
    {"gpu", false, 0, [](auto& c, auto&) { return std::make_unique<Gpu>(c, "gpu"); }},
    {"keyboard", false, 1, [](auto& c, auto&) { return input(c, Input::Kind::Keyboard); }},
    {"tablet", false, 1, [](auto& c, auto&) { return input(c, Input::Kind::Tablet); }},
    {"vsock", false, 1, [](auto& c, auto& b) { return std::make_unique<Vsock>(c, "vsock", b.net, u64{3}); }},
};

enum class Way : u8 { Modern, Legacy, Mmio };
struct Row {
  DeviceRow device;
  Way way;
};

std::vector<Row> rows() {
  std::vector<Row> all;
  for (const DeviceRow& device : kDevices)
    for (const Way way : {Way::Modern, Way::Legacy, Way::Mmio})
      if (way != Way::Legacy || device.for_old_drivers) all.push_back({device, way});
  return all;
}
std::string row_name(const testing::TestParamInfo<Row>& info) {
  constexpr const char* kWays[] = {"modern", "legacy", "mmio"};
  return std::string(info.param.device.name) + "_" + kWays[static_cast<unsigned>(info.param.way)];
}

constexpr u64 kMmio = 0xfed80000;

class VirtioDoorbells : public VirtioTest, public testing::WithParamInterface<Row> {
 protected:
  void SetUp() override {
    const auto& [device, way] = GetParam();
    auto model = device.make(bench.context(), backs);
    size = model->max_queue_size(device.queue);
    if (way == Way::Mmio) {
      plug_mmio(std::move(model));
      no_bus->resume();
    } else {
      plug(std::move(model));
      transport->resume();
    }
    doorbells = Doorbells::create(vm, {&bench.context().pio, &bench.context().mmio});
  }
  // The board's order, after the vCPUs have stopped.
  ~VirtioDoorbells() override {
    doorbells->deliver();
    transport.reset();
    no_bus.reset();
  }
  void plug_mmio(std::unique_ptr<Model> model) {
    no_bus = std::make_unique<MmioTransport>(std::move(model), bench.wires.level_irq());
    no_bus->place(bench.context().mmio.claim({kMmio, MmioTransport::kSize}, *no_bus, "under test").take());
  }
  void use(u16 queue, const DriverRing& ring) {
    switch (GetParam().way) {
      case Way::Modern:
        negotiate(kVersion1);
        set_up_queue(queue, ring);
        return go();
      case Way::Legacy:
        bench.out(kLegacy + 18, kAcknowledge | kDriver);
        bench.out(kLegacy + 14, queue, 2);
        bench.out(kLegacy + 8, ring.base() >> kPageShift, 4);
        return bench.out(kLegacy + 18, kAcknowledge | kDriver | kDriverOk);
      case Way::Mmio:
        driver.negotiate(kVersion1);
        driver.set_up_queue(queue, ring);
        return driver.go();
    }
  }
  void reset() {
    switch (GetParam().way) {
      case Way::Modern: return set_status(0);
      case Way::Legacy: return bench.out(kLegacy + 18, 0);
      case Way::Mmio: return driver.set(0x70, 0);
    }
  }
  // What the kernel is to take, as the specification has it (4.1.5.2, 4.1.4.10, 4.2.2).
  kvm_ioeventfd wanted(u16 queue) const {
    kvm_ioeventfd d{};
    switch (GetParam().way) {
      case Way::Modern: d.addr = kNotify + 4u * queue; break;
      case Way::Legacy:
        d.addr = kLegacy + 16;
        d.len = 2;
        d.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH;
        d.datamatch = queue;
        break;
      case Way::Mmio:
        d.addr = kMmio + 0x50;
        d.len = 4;
        d.flags = KVM_IOEVENTFD_FLAG_DATAMATCH;
        d.datamatch = queue;
        break;
    }
    return d;
  }

  BackEnds backs;
  std::unique_ptr<MmioTransport> no_bus;
  MmioDriver driver{bench.context().mmio, kMmio};
  std::shared_ptr<FakeKvm> fake = std::make_shared<FakeKvm>();
  hwassist::kvm::Fd vm{fake, FakeKvm::kVm};
  std::unique_ptr<Doorbells> doorbells;
  u16 size = 0;
};

TEST_P(VirtioDoorbells, GetTheDeviceToWork) {
  const u16 queue = GetParam().device.queue;
  DriverRing ring = DriverRing::in_one_piece(memory(), size, kRing);
  EXPECT_TRUE(fake->doorbells.empty());
  // A device looks at its queues when it is started, then asks for notifications: from there on the bell is
  // all that tells it.
  const u64 used_flags = ring.state().device;
  ring.put<u16>(used_flags, kNoNotify);
  use(queue, ring);
  ASSERT_TRUE(in_time([&] { return ring.get<u16>(used_flags) == 0; })) << "asks for notifications";
  ASSERT_EQ(fake->doorbells.size(), 1u) << "of the queue in use";
  const kvm_ioeventfd given = fake->doorbells[0], want = wanted(queue);
  EXPECT_EQ(given.addr, want.addr);
  EXPECT_EQ(given.len, want.len);
  EXPECT_EQ(given.flags, want.flags);
  EXPECT_EQ(given.datamatch, want.datamatch);

  // Zeros are no request that all of these obey, but each gives the buffer back; a disk takes them for a
  // read.
  ring.add(1, {{kData, 64}, {kData + kPageSize, 513, true}});
  EXPECT_FALSE(ring.take_used()) << "before anybody notifies";
  eventfd_write(given.fd, 1);
  std::optional<UsedElement> used;
  EXPECT_TRUE(in_time([&] { return (used = ring.take_used()).has_value(); }));

  reset();
  EXPECT_TRUE(fake->doorbells.empty());
}

INSTANTIATE_TEST_SUITE_P(All, VirtioDoorbells, testing::ValuesIn(rows()), row_name);

// --- On the KVM of this host ------------------------------------------------------------------------------

constexpr u64 kHole = 0xd0000, kHoleBytes = 16 * KiB, kCode = 0x1000, kRings = 0x2000, kBuffer = 0x8000;
constexpr u64 kNotified = 0x600, kUsedIndex = kRings + DriverRing::kDevice + 2;
constexpr u8 kStopPort = 0x80;

// Real mode: notifies queue 0, says so in memory, and waits until the device has given something back.
constexpr u8 kGuest[] = {
    0xb8,
    0x00,
    0xd0,
    0x8e,
    0xd8,  // mov ax, 0d000h; mov ds, ax
    0x31,
    0xc0,
    0x8e,
    0xc0,  // xor ax, ax; mov es, ax
    0x66,
    0xc7,
    0x06,
    0x50,
    0x00,
    0x00,
    0x00,
    0x00,
    0x00,  // mov dword [50h], 0
    0x26,
    0xfe,
    0x06,
    kNotified & 0xff,
    kNotified >> 8,  // inc byte es:[kNotified]
    0x26,
    0x83,
    0x3e,
    kUsedIndex & 0xff,
    kUsedIndex >> 8,
    0x00,  // wait: cmp word es:[kUsedIndex], 0
    0x74,
    0xf8,
    0xe6,
    kStopPort,
    0xfa,
    0xf4,  // je wait; out kStopPort, al; cli; hlt
};

// In front of the transport: while a notification is on its way, the guest has to go on.
class Before final : public bus::IoHandler {
 public:
  Before(bus::IoHandler& device, mem::GuestMemory& memory) : device_(device), memory_(memory) {}
  void io(bus::IoAccess& access) override {
    if (access.offset == 0x50) guest_went_on = in_time([this] { return notified(); });
    device_.io(access);
  }
  std::atomic<bool> guest_went_on = false;

 private:
  bool notified() const { return memory_.read_value<u8>(Gpa{kNotified}); }
  bus::IoHandler& device_;
  mem::GuestMemory& memory_;
};

class Stopper final : public bus::IoHandler {
 public:
  explicit Stopper(machine::Machine& machine) : machine_(machine) {}
  void io(bus::IoAccess&) override { machine_.stop({}); }

 private:
  machine::Machine& machine_;
};

TEST(RealVirtioDoorbell, GetsTheDeviceToWorkWhileTheGuestGoesOn) {
  if (const std::string obstacle = kvm_obstacle(); !obstacle.empty()) GTEST_SKIP() << obstacle;
  const auto engine = kvm_row("kvm", hwassist::Assist::Full).make();
  const cpu::CpuModel model = cpu::default_cpu_model();
  const auto machine = machine::Machine::create({.memory_bytes = 1 * MiB, .model = &model}, *engine).take();
  mem::GuestMemory& memory = machine->memory();
  memory.set_legacy(Gpa{kHole}, kHoleBytes, {});
  memory.write(Gpa{kCode}, kGuest);
  WireProbe wires;
  MmioTransport transport(std::make_unique<Entropy>(machine->context(), "rng", fill), wires.level_irq());
  Before before(transport, memory);
  transport.place(machine->mmio().claim({kHole, MmioTransport::kSize}, before, "under test").take());
  Stopper stopper(*machine);
  const bus::Claim port = machine->pio().claim({kStopPort, 1}, stopper, "stopper").take();

  MmioDriver driver(machine->mmio(), kHole);
  driver.negotiate(kVersion1);
  DriverRing ring(memory, {false, false, false}, 8, kRings);
  driver.set_up_queue(0, ring);
  driver.go();
  ring.add(1, {{kBuffer, 16, true}});
  cpu::CpuState s = cpu::reset_state(true, 0);
  s.segments[cpu::kCs].base = s.segments[cpu::kCs].selector = 0;
  s.rip = kCode;
  ASSERT_TRUE(machine->reset_cpus(s));
  EXPECT_EQ(machine->run().kind, machine::RunOutcome::Kind::Stopped);
  EXPECT_TRUE(before.guest_went_on);
  EXPECT_EQ(ring.take_used()->written, 16u);
  EXPECT_EQ(memory.read_value<u8>(Gpa{kBuffer + 15}), 7);
}

}  // namespace
}  // namespace tandem::tests
