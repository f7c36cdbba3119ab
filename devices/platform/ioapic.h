// 82093AA I/O APIC with 24 pins, version 0x20 (with the EOI register of later chip sets).
#pragma once

#include <mutex>

#include "core/irq/lapic.h"
#include "core/irq/line.h"
#include "core/machine/device.h"

namespace tandem::devices {

struct IoapicState {
  static constexpr unsigned kPins = 24;
  u8 index = 0;
  u8 id = 0;
  u32 lines = 0;  // levels of the inputs
  u64 redirection[kPins] = {};
  static void fields(auto& a, auto& s) { a(s.index, s.id, s.lines, s.redirection); }
};

class Ioapic final : public machine::Device,
                     public bus::IoHandler,
                     public irq::IrqInput,
                     public irq::EoiListener {
 public:
  explicit Ioapic(irq::ApicBus& apic_bus);

  IoapicState state() const;                // [any-thread]
  void io(bus::IoAccess& access) override;  // 4 KiB of MMIO
  irq::EdgeEffect set_irq(unsigned pin, bool level) override;
  void end_of_interrupt(u8 vector) override;

  std::string_view name() const override { return "ioapic"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  u32 read_reg() const;
  void write_reg(u32 value);
  irq::EdgeEffect service(unsigned pin);  // sends the interrupt of a level pin that is due

  irq::ApicBus& apic_bus_;
  mutable std::mutex mutex_;
  IoapicState state_;
};

}  // namespace tandem::devices
