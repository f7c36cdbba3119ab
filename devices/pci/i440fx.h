// i440FX host bridge at 00:00.0: configuration mechanism #1, and the reset control register of the PIIX3
// which lies among its ports (0xcf9).
#pragma once

#include <functional>

#include "devices/pci/pci_device.h"

namespace tandem::devices {

// What lies below 1 MiB besides RAM.
struct LegacyWindow {
  // No firmware: the registers start with RAM in the whole window, video memory's part too.
  bool all_ram = false;
  u64 rom = mem::kNoMemory;  // offset into the memfd of the 128 KiB of ROM for E0000h
};

class I440fx final : public PciDevice {
 public:
  I440fx(machine::DeviceContext context, std::function<void()> reset_request, LegacyWindow window = {});

  bus::IoHandler& config_ports() { return config_ports_; }  // 8 ports
  // Before the machine runs.
  void plug(unsigned slot, unsigned function, PciDevice& device) {
    functions_[slot * 8 + function] = &device;
  }

  std::string_view name() const override { return "i440fx"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  void config_io(bus::IoAccess& access);
  void data_io(bus::IoAccess& access);
  bool write_reset_control(u8 value);
  void config_written(unsigned offset, unsigned size) override;
  void apply_window();
  void apply_pam(u64 start, u64 length, u8 attributes);
  void apply_smram();

  std::function<void()> reset_request_;
  LegacyWindow window_;
  mutable std::mutex mutex_;
  u32 address_ = 0;
  u8 reset_control_ = 0;
  std::array<PciDevice*, 256> functions_{};
  bus::IoMember<I440fx> config_ports_;
};

}  // namespace tandem::devices
