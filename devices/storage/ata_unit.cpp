#include "devices/storage/ata_unit.h"

#include <fmt/format.h>

namespace tandem::devices {

std::unique_ptr<ata::Drive> make_drive(const AtaUnit& unit, unsigned number, ata::Transport transport) {
  const std::string serial = fmt::format("TD{:05}", number + 1);
  if (unit.cdrom) return std::make_unique<ata::Cdrom>(unit.medium.get(), serial, transport);
  if (unit.medium) return std::make_unique<ata::Disk>(*unit.medium, serial, transport);
  return nullptr;
}

AtaDriveState drive_state(const ata::Drive* drive) {
  AtaDriveState s;
  if (!drive) return s;
  s.regs = drive->regs();
  if (const auto* disk = dynamic_cast<const ata::Disk*>(drive)) s.disk = disk->state();
  if (const auto* cdrom = dynamic_cast<const ata::Cdrom*>(drive)) s.cdrom = cdrom->state();
  return s;
}

void set_drive_state(ata::Drive* drive, const AtaDriveState& state) {
  if (!drive) return;
  drive->regs() = state.regs;
  if (auto* disk = dynamic_cast<ata::Disk*>(drive)) disk->set_state(state.disk);
  if (auto* cdrom = dynamic_cast<ata::Cdrom*>(drive)) cdrom->set_state(state.cdrom);
}

}  // namespace tandem::devices
