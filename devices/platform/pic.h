// Two cascaded 8259A interrupt controllers with the ELCR of a PIIX3.
#pragma once

#include <functional>
#include <mutex>

#include "core/irq/lapic.h"
#include "core/irq/line.h"
#include "core/machine/device.h"

namespace tandem::devices {

struct PicChipState {
  u8 lines = 0;  // levels of the inputs
  u8 irr = 0, imr = 0, isr = 0, elcr = 0;
  u8 vector_base = 0;
  u8 lowest_priority = 7;
  u8 init_step = 0;  // 0 = ready, else the ICW expected
  bool init_needs_icw4 = false, single = false;
  bool read_isr = false, poll = false, special_mask = false, auto_eoi = false, rotate_on_auto_eoi = false,
       special_fully_nested = false;
  static void fields(auto& a, auto& s) {
    a(s.lines, s.irr, s.imr, s.isr, s.elcr, s.vector_base, s.lowest_priority, s.init_step, s.init_needs_icw4,
      s.single, s.read_isr, s.poll, s.special_mask, s.auto_eoi, s.rotate_on_auto_eoi, s.special_fully_nested);
  }
};
struct PicState {
  PicChipState chips[2];  // master, slave
  static void fields(auto& a, auto& s) { a(s.chips); }
  bool valid() const {
    for (const PicChipState& c : chips)
      if (c.lowest_priority > 7 || c.init_step > 4) return false;
    return true;
  }
};

class Pic final : public machine::Device, public irq::IrqInput, public irq::PicAcknowledge {
 public:
  // intr: the master's INT output; called with the lock held.
  Pic(machine::DeviceContext context, std::function<void(bool)> intr);

  bus::IoHandler& master_ports() { return master_ports_; }  // 2 ports
  bus::IoHandler& slave_ports() { return slave_ports_; }    // 2 ports
  bus::IoHandler& elcr_ports() { return elcr_ports_; }      // 2 ports

  PicState state() const;                                      // [any-thread]
  irq::EdgeEffect set_irq(unsigned pin, bool level) override;  // pins 0..15; 2 is the cascade
  u8 acknowledge() override;

  std::string_view name() const override { return "pic"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  using Chip = PicChipState;
  void master_io(bus::IoAccess& access) { io(state_.chips[0], access); }
  void slave_io(bus::IoAccess& access) { io(state_.chips[1], access); }
  void elcr_io(bus::IoAccess& access);
  void io(Chip& chip, bus::IoAccess& access);
  u8 read(Chip& chip, u64 offset);
  void write_command(Chip& chip, u8 value);
  void write_data(Chip& chip, u8 value);
  void write_ocw2(Chip& chip, u8 value);
  static void set_input(Chip& chip, unsigned pin, bool level);
  static int request(const Chip& chip, bool master);
  static void take(Chip& chip, unsigned pin);
  void update();
  u8 acknowledge_locked();

  mutable std::mutex mutex_;
  PicState state_;
  std::function<void(bool)> intr_;
  bool intr_level_ = false;
  machine::Counters::Counter& spurious_;
  bus::IoMember<Pic> master_ports_, slave_ports_, elcr_ports_;
};

}  // namespace tandem::devices
