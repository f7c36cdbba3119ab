// PIIX3 ISA bridge (interrupt routing) and PIIX4 power management function (ACPI registers).
#pragma once

#include <functional>
#include <optional>

#include "devices/pci/pci_device.h"

namespace tandem::devices {

// Routes PIRQA#..PIRQD# (pins 0..3) to ISA interrupts.
class Piix3 final : public PciDevice, public irq::IrqInput {
 public:
  Piix3(machine::DeviceContext context, const std::array<irq::IrqWire*, 16>& isa_wires);

  irq::EdgeEffect set_irq(unsigned pin, bool level) override;

  std::string_view name() const override { return "piix3"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  void config_written(unsigned offset, unsigned size) override;
  void route();

  mutable std::mutex mutex_;
  u8 levels_ = 0;
  std::vector<irq::LevelIrq> outputs_;
};

struct PiixPmState {
  PciConfig config;
  u16 status = 0, enable = 0, control = 1;
  u16 gpe_status = 0, gpe_enable = 0;
  u8 apm_control = 0, apm_status = 0;
  u64 timer_epoch = 0;  // top bits of the timer when TMR_STS was last looked at
  static void fields(auto& a, auto& s) {
    a(s.config, s.status, s.enable, s.control, s.gpe_status, s.gpe_enable, s.apm_control, s.apm_status,
      s.timer_epoch);
  }
};

class PiixPm final : public PciDevice {
 public:
  struct Requests {
    std::function<void()> power_off;
    std::function<void()> smi;
  };
  // pm_base: where the registers are after a reset; 0: nowhere, firmware decides.
  PiixPm(machine::DeviceContext context, u16 pm_base, irq::LevelIrq sci, Requests requests);

  bus::IoHandler& apm_ports() { return apm_ports_; }  // 2 ports: SMI command and status
  void power_button();                                // [any-thread]
  u16 base() const;                                   // where the registers are now; 0: nowhere

  std::string_view name() const override { return "piix4-pm"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  void config_written(unsigned offset, unsigned size) override;
  void pm_io(bus::IoAccess& access);
  void apm_io(bus::IoAccess& access);
  u8 read_byte(u64 offset);
  bool write_word(u64 offset, u16 value, u16 mask);  // true: power off
  u64 timer_ticks() const;
  void update_timer_status();
  void update_sci();
  void map();

  time::Clock& clock_;
  u16 default_base_;
  irq::LevelIrq sci_;
  Requests requests_;
  mutable std::mutex mutex_;
  PiixPmState state_;
  bus::IoMember<PiixPm> pm_ports_, apm_ports_;
  u32 mapped_base_ = 0;
  bus::Claim pm_claim_;
  time::Timer timer_;
};

}  // namespace tandem::devices
