// A driver's view of one virtio device on the PCI bus.
#pragma once

#include <gtest/gtest.h>

#include "devices/pci/regs.h"
#include "devices/virtio/pci_transport.h"
#include "tests/support/device_bench.h"
#include "tests/virtio/driver_ring.h"

namespace tandem::tests {

class MsiProbe final : public irq::MsiTarget {
 public:
  void send(const irq::MsiMessage& message) override { data.push_back(message.data); }
  std::vector<u32> take() { return std::exchange(data, {}); }
  std::vector<u32> data;
};

class VirtioTest : public testing::Test {
 protected:
  static constexpr u64 kModern = 0xe0000000, kMsix = 0xe0010000, kLegacy = 0xc000;
  static constexpr u64 kConfig = kModern + 0x2000, kNotify = kModern + 0x3000;
  static constexpr unsigned kMsixControl = 0x42;
  static constexpr u32 kConfigData = 100, kQueueData = 200;  // of the vectors; the queue's number is added

  void plug(std::unique_ptr<devices::virtio::Model> model) {
    transport = std::make_unique<devices::virtio::PciTransport>(bench.context(), std::move(model),
                                                                bench.wires.level_irq(), msi);
    transport->write_config(0x10, 4, kLegacy);
    transport->write_config(0x14, 4, kMsix);
    transport->write_config(0x20, 4, kModern);
    transport->write_config(devices::pci::kCommand, 2, 7);
  }
  u64 get(u64 offset, u8 size) { return bench.read(kModern + offset, size); }
  void set(u64 offset, u64 value, u8 size) { bench.write(kModern + offset, value, size); }
  u8 status() { return static_cast<u8>(get(0x14, 1)); }
  void set_status(u8 value) { set(0x14, value, 1); }
  u64 offered() {
    set(0, 0, 4);
    const u64 low = get(4, 4);
    set(0, 1, 4);
    return low | get(4, 4) << 32;
  }
  void accept(u64 features) {
    set(8, 0, 4);
    set(12, features & 0xffffffff, 4);
    set(8, 1, 4);
    set(12, features >> 32, 4);
  }
  // 3.1.1 up to FEATURES_OK.
  void negotiate(u64 features) {
    using namespace devices::virtio;
    set_status(0);
    set_status(kAcknowledge | kDriver);
    accept(features);
    set_status(kAcknowledge | kDriver | kFeaturesOk);
  }
  void set_up_queue(u16 number, const DriverRing& ring) {
    const devices::virtio::QueueState q = ring.state();
    set(0x16, number, 2);
    set(0x18, q.size, 2);
    set(0x20, q.descriptors, 8);
    set(0x28, q.driver & 0xffffffff, 4);
    set(0x2c, q.driver >> 32, 4);
    set(0x30, q.device, 8);
    set(0x1a, 1u + number, 2);
    set(0x1c, 1, 2);
  }
  void go() {
    using namespace devices::virtio;
    set_status(kAcknowledge | kDriver | kFeaturesOk | kDriverOk);
  }
  void use_msix(unsigned queues) {
    transport->write_config(kMsixControl, 2, devices::pci::kMsixEnable);
    for (unsigned v = 0; v <= queues; ++v) {
      bench.write(kMsix + 16 * v, 0xfee00000);
      bench.write(kMsix + 16 * v + 8, v ? kQueueData + v - 1 : kConfigData);
      bench.write(kMsix + 16 * v + 12, 0);
    }
    set(0x10, 0, 2);
  }
  // Features, one queue with the number, DRIVER_OK.
  DriverRing start(RingForm form, u64 features = 0, u16 number = 0, u16 size = 8) {
    negotiate(form.features() | features);
    EXPECT_TRUE(status() & devices::virtio::kFeaturesOk);
    use_msix(1u + number);
    DriverRing ring(memory(), form, size, kRing);
    set_up_queue(number, ring);
    go();
    return ring;
  }
  void kick(unsigned queue = 0) { bench.write(kNotify + 4 * queue, queue, 2); }

  mem::GuestMemory& memory() { return bench.context().memory; }
  std::vector<u8> in_memory(u64 at, u64 bytes) {
    std::vector<u8> data(bytes);
    memory().read(Gpa{at}, data);
    return data;
  }
  static constexpr u64 kRing = 0x10000, kData = 0x40000;

  DeviceBench bench;
  MsiProbe msi;
  std::unique_ptr<devices::virtio::PciTransport> transport;
};

inline std::vector<RingForm> ring_forms() {
  std::vector<RingForm> all;
  for (unsigned i = 0; i < 8; ++i) all.push_back({bool(i & 4), bool(i & 2), bool(i & 1)});
  return all;
}
inline std::string form_name(const testing::TestParamInfo<RingForm>& info) {
  const RingForm& f = info.param;
  return std::string(f.packed ? "packed" : "split") + (f.event_index ? "_event" : "") +
         (f.indirect ? "_indirect" : "");
}

}  // namespace tandem::tests
