// An AHCI host bus adapter (AHCI 1.3.1) as a PCI function: the one of Intel's ICH9, with as many ports as the
// board needs.
#pragma once

#include <map>

#include "devices/pci/pci_device.h"
#include "devices/storage/ahci_port.h"

namespace tandem::devices {

struct AhciState {
  PciConfig config;
  bool interrupts = false;  // GHC.IE
  u32 is = 0;
  std::vector<AhciPortState> ports;
  static void fields(auto& a, auto& s) { a(s.config, s.interrupts, s.is, s.ports); }
};

class Ahci final : public PciDevice {
 public:
  static constexpr unsigned kMaxPorts = 32;
  // What is at port 0 and so on; the back ends stay with the caller. first_serial: number of port 0's drive.
  Ahci(machine::DeviceContext context, irq::LevelIrq intx, irq::MsiTarget& msi,
       const std::map<unsigned, AtaUnit>& units, unsigned first_serial);
  ~Ahci() override;

  AhciPort& port(unsigned n) { return *ports_[n]; }
  bool has_port(unsigned n) const { return n < ports_.size(); }

  std::string_view name() const override { return "ahci"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override;
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  void config_written(unsigned offset, unsigned size) override;
  bool fits(const AhciState& state) const;
  void memory_io(bus::IoAccess& access);
  u32 read_register(u64 offset) const;
  void write_register(u64 offset, u32 value);
  void port_asks(unsigned port, bool level);
  void update_interrupt();
  void host_reset();

  std::vector<std::unique_ptr<AhciPort>> ports_;
  mutable std::mutex mutex_;  // guards all below; taken after a port's
  bool interrupts_ = false;
  u32 is_ = 0;
  u32 asking_ = 0;  // ports that ask for an interrupt now
  bus::IoMember<Ahci> memory_;
};

}  // namespace tandem::devices
