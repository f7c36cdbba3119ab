// High precision event timer: 64-bit main counter at 100 MHz, three comparators.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "core/irq/line.h"
#include "core/machine/device.h"
#include "devices/platform/tick_irq.h"

namespace tandem::devices {

struct HpetTimerState {
  u64 config = 0, comparator = ~u64{0}, period = 0, fsb = 0;
  static void fields(auto& a, auto& s) { a(s.config, s.comparator, s.period, s.fsb); }
};
struct HpetState {
  static constexpr unsigned kTimers = 3;
  u64 config = 0, status = 0;
  u64 counter = 0;  // while stopped; at `started` while running
  i64 started = 0;  // GuestNs
  HpetTimerState timers[kTimers];
  static void fields(auto& a, auto& s) { a(s.config, s.status, s.counter, s.started, s.timers); }
};

class Hpet final : public machine::Device, public bus::IoHandler {
 public:
  struct Wiring {
    std::vector<irq::IrqWire*> routes;  // by I/O APIC pin
    irq::IrqWire* legacy[2];            // those of the PIT and of the RTC
    std::function<void(bool)>
        set_legacy;  // legacy replacement was turned on or off; called with the lock held
    irq::MsiTarget* msi;
  };
  Hpet(machine::DeviceContext context, Wiring wiring);

  void io(bus::IoAccess& access) override;  // 1 KiB of MMIO

  std::string_view name() const override { return "hpet"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  u64 read_reg(u64 offset) const;
  void write_reg(u64 offset, u64 value);
  void write_config(u64 value);
  void write_timer(unsigned n, u64 reg, u64 value);
  u64 counter() const;
  i64 time_of(u64 distance) const;
  void arm(unsigned n);
  void set_anew();
  void fired(unsigned n);
  void raise(unsigned n, u64 matches);
  void update_levels();
  irq::IrqWire* wire(unsigned n) const;

  time::Clock& clock_;
  Wiring wiring_;
  mutable std::mutex mutex_;
  HpetState state_;
  std::vector<irq::LevelIrq> levels_;  // one a route: what level-triggered timers assert
  i64 deadlines_[HpetState::kTimers] = {-1, -1, -1};
  std::unique_ptr<TickIrq> irqs_[HpetState::kTimers];
  std::unique_ptr<time::Timer> timers_[HpetState::kTimers];
};

}  // namespace tandem::devices
