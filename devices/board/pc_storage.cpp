// The board's drives: IDE, AHCI, the floppy.
#include "devices/board/pc_parts.h"

namespace tandem::devices {

Result<void> Pc::Parts::add_ide() {
  machine::Machine& m = *machine;
  ide = &add<Piix3Ide>(
      m.context(), std::array{irq::LevelIrq(gsi[kIdeIrqs[0]]), irq::LevelIrq(gsi[kIdeIrqs[1]])}, config.ide);
  host_bridge->plug(1, 1, *ide);
  for (unsigned i = 0; i < 2; ++i) {
    TANDEM_TRY(claim(m.pio(), {kIdeCommandPorts[i], 8, 4}, ide->command_ports(i), ide->name()));
    TANDEM_TRY(claim(m.pio(), {kIdeControlPorts[i], 1, 1}, ide->control_port(i), ide->name()));
  }
  return {};
}

Result<void> Pc::Parts::add_ahci() {
  if (config.ahci.empty()) return {};
  constexpr unsigned kFirstSerial = 4;  // behind hda to hdd
  ahci = &add<Ahci>(machine->context(), pci_irq(kAhciSlot), machine->apic_bus(), config.ahci, kFirstSerial);
  host_bridge->plug(kAhciSlot, 0, *ahci);
  return {};
}

// The floppy controller, and the DMA controllers that it needs.
Result<void> Pc::Parts::add_floppy() {
  auto& dma = add<IsaDma>(machine->context());
  TANDEM_TRY(claim(0x00, 16, dma.low_ports(), dma.name()));
  TANDEM_TRY(claim(0xc0, 32, dma.high_ports(), dma.name()));
  TANDEM_TRY(claim(0x81, 15, dma.page_ports(), dma.name()));
  has_floppy = config.floppy != nullptr;
  if (has_floppy) {
    const auto format = floppy_format(config.floppy->geometry().bytes);
    if (!format) return user_error("fda: not the image of a floppy: one has up to 2880 KiB");
    constexpr u8 kMouse = 0x04, kFloppy = 0x01;  // of the equipment byte
    rtc->set_cmos(0x10, static_cast<u8>(format->cmos_type << 4));
    rtc->set_cmos(0x14, kMouse | kFloppy);
  }
  auto& fdc = add<Fdc>(irq::LevelIrq(gsi[kFloppyIrq]), dma, config.floppy.get());
  TANDEM_TRY(claim(kFloppyPorts, 6, fdc.ports(), fdc.name()));
  return claim(kFloppyInputPort, 1, fdc.digital_input_port(), fdc.name());
}

Result<void> Pc::change_cd(DrivePlace place, std::unique_ptr<BlockBackend> medium) {
  const unsigned unit = place.unit;
  if (place.bus == DriveBus::Ide) {
    TANDEM_TRY(parts_->ide->channel(unit / 2).insert(unit % 2, medium.get()));
    std::swap(parts_->config.ide[unit].medium, medium);
    return {};
  }
  if (!parts_->ahci || !parts_->ahci->has_port(unit)) return user_error("there is no CD-ROM drive");
  TANDEM_TRY(parts_->ahci->port(unit).insert(medium.get()));
  std::swap(parts_->config.ahci[unit].medium, medium);
  return {};
}

}  // namespace tandem::devices
