// libFuzzer: the input says which virtio device, and what a driver that keeps no rule does with it:
// registers, descriptors, rings, guest memory, save and load in between.
#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/base/assert.h"
#include "core/base/bits.h"
#include "devices/backend/vsock/vsock_network.h"
#include "devices/virtio/balloon.h"
#include "devices/virtio/block.h"
#include "devices/virtio/console.h"
#include "devices/virtio/entropy.h"
#include "devices/virtio/gpu/gpu.h"
#include "devices/virtio/input.h"
#include "devices/virtio/net.h"
#include "devices/virtio/pci_transport.h"
#include "devices/virtio/plan9.h"
#include "devices/virtio/vsock.h"
#include "tests/support/device_bench.h"
#include "tests/support/fake_disk.h"
#include "tests/support/line_backend.h"

namespace tandem::tests {
namespace {

using namespace devices;
using namespace devices::virtio;

constexpr u64 kModern = 0xe0000000, kMsix = 0xe0010000, kLegacy = 0xc000;
constexpr u64 kRings = 0x10000, kRingStep = 0x2000, kDriver = 0x400, kDevice = 0x800;
constexpr u16 kSlots = 16;
constexpr u64 kCid = 3;
constexpr unsigned kQueues = 8, kKinds = 10;

class Input {
 public:
  explicit Input(std::span<const u8> bytes) : left_(bytes) {}
  bool empty() const { return left_.empty(); }
  template <class T>
  T take() {
    T v{};
    const std::size_t n = std::min(sizeof v, left_.size());
    std::copy_n(left_.begin(), n, reinterpret_cast<u8*>(&v));
    left_ = left_.subspan(n);
    return v;
  }
  std::span<const u8> bytes(std::size_t n) {
    const auto some = left_.first(std::min(n, left_.size()));
    left_ = left_.subspan(some.size());
    return some;
  }

 private:
  std::span<const u8> left_;
};

// Sends everything back.
class EchoNetwork final : public Network {
 public:
  void connect(FrameSink to_guest) override { to_guest_ = std::move(to_guest); }
  void send(Frame frame) override { to_guest_(frame); }
  void prepare(std::vector<pollfd>&, int&) override {}
  void handle(std::span<const pollfd>) override {}
  Result<void> forward(const Forward&) override { return {}; }
  NetTraits traits() const override { return {1500, true, true}; }

 private:
  FrameSink to_guest_;
};

struct NoMsi final : irq::MsiTarget {
  void send(const irq::MsiMessage&) override {}
};

// One device with its back ends, and a driver.
class Target {
 public:
  Target(unsigned kind, u64 features) {
    transport_ = std::make_unique<PciTransport>(bench_.context(), make(kind), bench_.wires.level_irq(), msi_);
    transport_->write_config(0x10, 4, kLegacy);
    transport_->write_config(0x14, 4, kMsix);
    transport_->write_config(0x20, 4, kModern);
    transport_->write_config(4, 2, 7);
    start(features);
  }
  ~Target() { transport_.reset(); }

  void act(Input& in) {
    switch (in.take<u8>() % 12) {
      case 0: poke(in); break;
      case 1: kick(in.take<u8>() % kQueues); break;
      case 2: bench_.write(kModern + in.take<u16>() % 0x4000, in.take<u32>(), size(in)); break;
      case 3: bench_.read(kModern + in.take<u16>() % 0x4000, size(in)); break;
      case 4: config(in); break;
      case 5:
        bench_.out(static_cast<u16>(kLegacy + in.take<u8>() % 128), in.take<u32>(), port_size(in));
        break;
      case 6: bench_.in(static_cast<u16>(kLegacy + in.take<u8>() % 128), port_size(in)); break;
      case 7: settle(); break;
      case 8: reload(); break;
      case 9: bench_.write(kMsix + in.take<u16>() % 0x1000, in.take<u32>(), 4); break;
      case 10: describe(in); break;
      default: make_available(in);
    }
  }
  void settle() {
    disk_.go();
    ensure(transport_->quiesce().ok(), "a device comes to rest");
    transport_->resume();
  }

 private:
  static u8 size(Input& in) { return static_cast<u8>(1 << in.take<u8>() % 4); }
  static u8 port_size(Input& in) { return static_cast<u8>(1 << in.take<u8>() % 3); }

  std::unique_ptr<Model> make(unsigned kind) {
    const machine::DeviceContext context = bench_.context();
    switch (kind) {
      case 0: return std::make_unique<Block>(context, "blk", disk_, "serial", u16{2});
      case 1:
        net_ = std::make_unique<NetBackend>(std::make_unique<EchoNetwork>());
        return std::make_unique<Net>(context, "net", *net_, MacAddress{0x52, 0x54, 0, 1, 2, 3}, u16{2});
      case 2:
        // Read-only: nothing that the input says changes the host.
        server_ = p9::Server::open("/proc/self/fdinfo", true).take();
        return std::make_unique<Plan9>(context, "9p", *server_, "tag");
      case 3:
        return std::make_unique<Console>(context, "console",
                                         std::vector<ConsolePort>{{"", &lines_[0]}, {"name", &lines_[1]}});
      case 4: return std::make_unique<Balloon>(context, "balloon");
      case 5: return std::make_unique<Gpu>(context, "gpu");
      case 6: return std::make_unique<virtio::Input>(context, "keyboard", virtio::Input::Kind::Keyboard);
      case 7: return std::make_unique<virtio::Input>(context, "tablet", virtio::Input::Kind::Tablet);
      case 8: {
        const std::string path = "/tmp/tandem-fuzz-vsock-" + std::to_string(getpid());
        net_ = std::make_unique<NetBackend>(vsock::VsockNetwork::create(kCid, path).take());
        return std::make_unique<Vsock>(context, "vsock", *net_, kCid);
      }
      default:
        return std::make_unique<Entropy>(context, "rng",
                                         [](std::span<u8> b) { std::ranges::fill(b, u8{1}); });
    }
  }
  // As a good driver starts.
  void start(u64 features) {
    const auto set = [&](u64 offset, u64 value, u8 width) { bench_.write(kModern + offset, value, width); };
    set(0x14, 3, 1);
    set(8, 0, 4);
    set(12, features & 0xffffffff, 4);
    set(8, 1, 4);
    set(12, features >> 32, 4);
    set(0x14, 0xb, 1);
    for (u16 q = 0; q < kQueues; ++q) {
      const u64 base = kRings + kRingStep * q;
      set(0x16, q, 2);
      set(0x18, kSlots, 2);
      set(0x20, base, 8);
      set(0x28, base + kDriver, 8);
      set(0x30, base + kDevice, 8);
      set(0x1c, 1, 2);
    }
    set(0x14, 0xf, 1);
    transport_->resume();
  }
  void kick(unsigned queue) { bench_.write(kModern + 0x3000 + 4 * queue, queue, 2); }
  void poke(Input& in) {
    const u64 at = kRings + in.take<u16>();
    const auto bytes = in.bytes(in.take<u8>());
    memory().write(Gpa{at}, bytes);
  }
  void config(Input& in) {
    const u8 offset = in.take<u8>(), width = port_size(in);
    // The BARs stay where they are.
    if (offset < 0x40 || offset % width) return;
    transport_->write_config(offset, width, in.take<u32>());
    transport_->read_config(offset, width);
  }
  void describe(Input& in) {
    const u64 at = kRings + kRingStep * (in.take<u8>() % kQueues) + 16 * (in.take<u8>() % kSlots);
    memory().write_value<u64>(Gpa{at}, u64{in.take<u16>()} << 4);
    memory().write_value<u32>(Gpa{at + 8}, in.take<u16>());
    memory().write_value<u32>(Gpa{at + 12}, in.take<u32>());
  }
  // A head of a split ring.
  void make_available(Input& in) {
    const unsigned queue = in.take<u8>() % kQueues;
    const u64 ring = kRings + kRingStep * queue + kDriver;
    const u16 index = memory().read_value<u16>(Gpa{ring + 2});
    memory().write_value<u16>(Gpa{ring + 4 + 2 * (index % kSlots)}, in.take<u8>() % kSlots);
    memory().write_value<u16>(Gpa{ring + 2}, static_cast<u16>(index + 1));
    kick(queue);
  }
  void reload() {
    disk_.go();
    ensure(transport_->quiesce().ok(), "a device comes to rest");
    snapshot::StateWriter writer;
    transport_->save(writer);
    auto reader = snapshot::StateReader::open(writer.finish());
    ensure(reader.ok() && transport_->load(reader.value()).ok(), "what was saved can be loaded");
    transport_->resume();
  }
  mem::GuestMemory& memory() { return bench_.context().memory; }

  DeviceBench bench_;
  NoMsi msi_;
  FakeDisk disk_{64 * 1024};
  std::unique_ptr<NetBackend> net_;
  std::array<LineBackend, 2> lines_;
  std::unique_ptr<p9::Server> server_;
  std::unique_ptr<PciTransport> transport_;
};

void run(std::span<const u8> bytes) {
  Input in(bytes);
  const unsigned kind = in.take<u8>() % kKinds;
  const u8 form = in.take<u8>();
  u64 features = kVersion1 | in.take<u32>();
  if (form & 1) features |= kPacked;
  Target target(kind, features & ~(u64{1} << 33));
  while (!in.empty()) target.act(in);
  target.settle();
}

}  // namespace
}  // namespace tandem::tests

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  tandem::tests::run({data, size});
  return 0;
}
