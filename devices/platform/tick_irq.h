// The interrupt of a periodic timer, by which a guest may count time. A busy host can keep a vCPU, or the
// clock's thread, from running for longer than a period: several ticks come to one interrupt. The others
// follow when the guest has taken that one.
#pragma once

#include <mutex>
#include <optional>

#include "core/irq/line.h"
#include "core/machine/device.h"

namespace tandem::devices {

class TickIrq final : public irq::AckListener {
 public:
  // device: its lock, which outlives this.
  TickIrq(const machine::DeviceContext& context, std::mutex& device);
  ~TickIrq();

  // With the device's lock held:
  // `count` ticks are due, one every `period` ns; for an IRQ that stays the same until forget().
  void tick(irq::EdgeIrq irq, u64 count, i64 period);
  // The timer has been set anew, or its wire.
  void forget() { owe(0); }

 private:
  void acknowledged() override;
  void owe(u64 ticks);

  irq::Acknowledgements& acknowledgements_;
  std::mutex& device_;
  std::optional<irq::EdgeIrq> irq_;
  u64 owed_ = 0;  // ticks without an interrupt; acknowledgements are wanted as long as there are any
};

}  // namespace tandem::devices
