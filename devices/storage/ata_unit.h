// A drive at a place of a controller: what it is made from, and its state in snapshots.
#pragma once

#include <memory>

#include "devices/storage/ata_disk.h"
#include "devices/storage/cdrom.h"

namespace tandem::devices {

struct AtaUnit {
  std::unique_ptr<BlockBackend> medium;  // a disk always has one
  bool cdrom = false;
};

// `number` makes the serial number: unique on the board. Null: there is nothing at this place.
std::unique_ptr<ata::Drive> make_drive(const AtaUnit& unit, unsigned number, ata::Transport transport);

struct AtaDriveState {
  ata::TaskFile regs;
  ata::DiskState disk;    // of a disk
  ata::CdromState cdrom;  // of a CD-ROM
  static void fields(auto& a, auto& s) { a(s.regs, s.disk, s.cdrom); }
  bool valid() const { return disk.valid(); }
};
// Of no drive: the initial one.
AtaDriveState drive_state(const ata::Drive* drive);
void set_drive_state(ata::Drive* drive, const AtaDriveState& state);

}  // namespace tandem::devices
