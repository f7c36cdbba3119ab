// A bench for one device: two buses, a clock that stands still until told, wires that remember.
#pragma once

#include <array>
#include <vector>

#include "core/irq/line.h"
#include "core/machine/device.h"
#include "core/time/clock.h"

namespace tandem::tests {

// The far end of interrupt wires.
class WireProbe final : public irq::IrqInput {
 public:
  static constexpr unsigned kWires = 24;
  WireProbe() {
    for (unsigned i = 0; i < kWires; ++i) wires_[i].connect(*this, i);
  }
  irq::IrqWire& wire(unsigned pin = 0) { return wires_[pin]; }
  irq::LevelIrq level_irq(unsigned pin = 0) { return irq::LevelIrq(wires_[pin]); }
  bool level(unsigned pin = 0) const { return levels_[pin]; }
  // Rising edges since the last call.
  unsigned take_edges(unsigned pin = 0) { return std::exchange(edges_[pin], 0u); }

  irq::EdgeEffect set_irq(unsigned pin, bool level) override {
    const bool edge = level && !levels_[pin];
    levels_[pin] = level;
    if (!edge) return irq::EdgeEffect::None;
    ++edges_[pin];
    return effect;
  }
  irq::EdgeEffect effect = irq::EdgeEffect::Requested;  // of the next edges

 private:
  std::array<irq::IrqWire, kWires> wires_;
  std::array<bool, kWires> levels_{};
  std::array<unsigned, kWires> edges_{};
};

// The far end of message-signalled interrupts.
class MsiLog final : public irq::MsiTarget {
 public:
  void send(const irq::MsiMessage& message) override { messages.push_back(message); }
  std::vector<irq::MsiMessage> messages;
};

// Made before the device, so that it outlives it.
class DeviceBench {
 public:
  machine::DeviceContext context() { return {pio_, mmio_, *memory_, clock, counters, acknowledgements}; }

  void map_ports(u64 start, u64 length, bus::IoHandler& handler, u8 widest = 1) {
    map(pio_, {start, length, widest}, handler);
  }
  void map_memory(u64 start, u64 length, bus::IoHandler& handler) { map(mmio_, {start, length}, handler); }

  u64 in(u16 port, u8 size = 1) { return access(pio_, bus::IoDir::Read, port, size, 0); }
  void out(u16 port, u64 value, u8 size = 1) { access(pio_, bus::IoDir::Write, port, size, value); }
  u64 read(u64 address, u8 size = 4) { return access(mmio_, bus::IoDir::Read, address, size, 0); }
  void write(u64 address, u64 value, u8 size = 4) { access(mmio_, bus::IoDir::Write, address, size, value); }

  time::ManualClock clock;
  machine::Counters counters;
  irq::Acknowledgements acknowledgements;
  WireProbe wires;

 private:
  void map(bus::Bus& bus, bus::IoRange range, bus::IoHandler& handler) {
    claims_.push_back(bus.claim(range, handler, "under test").take());
  }
  static u64 access(bus::Bus& bus, bus::IoDir dir, u64 address, u8 size, u64 value) {
    bus::IoAccess a{bus.kind(), dir, size, VcpuId{0}, address, 0, value};
    bus.dispatch(a);
    return a.value;
  }

  bus::Bus pio_{bus::BusKind::Pio}, mmio_{bus::BusKind::Mmio};
  std::unique_ptr<mem::GuestMemory> memory_ = mem::GuestMemory::create(MiB).take();
  std::vector<bus::Claim> claims_;
};

}  // namespace tandem::tests
