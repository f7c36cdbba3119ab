// PIIX3 IDE: function 1 of the ISA bridge's device (82371SB data sheet, 2.3 and 2.7). Two channels at the
// legacy ports.
#pragma once

#include "devices/pci/pci_device.h"
#include "devices/storage/ide_channel.h"

namespace tandem::devices {

class Piix3Ide final : public PciDevice {
 public:
  // hda to hdd; their back ends stay with the caller.
  Piix3Ide(machine::DeviceContext context, std::array<irq::LevelIrq, 2> irqs,
           std::span<const AtaUnit, 4> units);
  ~Piix3Ide() override;

  bus::IoHandler& command_ports(unsigned channel) { return ports_[channel].command; }
  bus::IoHandler& control_port(unsigned channel) { return ports_[channel].control; }
  IdeChannel& channel(unsigned n) { return channels_[n]; }

  std::string_view name() const override { return "piix3-ide"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override;
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  // Ports that answer where the function decodes them.
  class Decoded final : public bus::IoHandler {
   public:
    Decoded(Piix3Ide& ide, unsigned channel, bus::IoHandler& inner)
        : ide_(ide), channel_(channel), inner_(inner) {}
    void io(bus::IoAccess& access) override;

   private:
    Piix3Ide& ide_;
    unsigned channel_;
    bus::IoHandler& inner_;
  };
  struct Ports {
    Decoded command, control;
  };
  bool decodes(unsigned channel) const;
  void master_io(bus::IoAccess& access);

  std::array<IdeChannel, 2> channels_;
  std::array<Ports, 2> ports_;
  bus::IoMember<Piix3Ide> master_ports_;
};

}  // namespace tandem::devices
