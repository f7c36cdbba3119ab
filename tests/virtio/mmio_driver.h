// A driver's view of one virtio device at a physical address (VIRTIO 1.2, 4.2.3).
#pragma once

#include "core/bus/bus.h"
#include "tests/virtio/driver_ring.h"

namespace tandem::tests {

class MmioDriver {
 public:
  MmioDriver(bus::Bus& bus, u64 base) : bus_(bus), base_(base) {}

  u32 get(u64 offset) { return static_cast<u32>(access(bus::IoDir::Read, offset, 0)); }
  void set(u64 offset, u32 value) { access(bus::IoDir::Write, offset, value); }
  void negotiate(u64 features) {
    using namespace devices::virtio;
    set(0x70, 0);
    set(0x70, kAcknowledge | kDriver);
    for (u32 half = 0; half < 2; ++half) set(0x24, half), set(0x20, static_cast<u32>(features >> 32 * half));
    set(0x70, kFeaturesSaid);
  }
  void set_up_queue(u32 number, const DriverRing& ring) {
    const devices::virtio::QueueState q = ring.state();
    set(0x30, number);
    set(0x38, q.size);
    const u64 areas[] = {q.descriptors, q.driver, q.device};
    for (u64 i = 0; i < 3; ++i) {
      set(0x80 + 0x10 * i, static_cast<u32>(areas[i]));
      set(0x84 + 0x10 * i, static_cast<u32>(areas[i] >> 32));
    }
    set(0x44, 1);
  }
  void go() { set(0x70, kFeaturesSaid | devices::virtio::kDriverOk); }

 private:
  static constexpr u8 kFeaturesSaid =
      devices::virtio::kAcknowledge | devices::virtio::kDriver | devices::virtio::kFeaturesOk;
  u64 access(bus::IoDir dir, u64 offset, u64 value) {
    bus::IoAccess a{bus::BusKind::Mmio, dir, 4, VcpuId{0}, base_ + offset, 0, value};
    bus_.dispatch(a);
    return a.value;
  }

  bus::Bus& bus_;
  u64 base_;
};

}  // namespace tandem::tests
