// disk= and cdrom=: from settings to back ends at the board's places.
#pragma once

#include "core/config/settings.h"
#include "devices/board/pc.h"

namespace tandem::tools {

// Opens the images. Error: one line that names the item.
Result<void> open_disks(const config::Settings& settings, devices::PcConfig& config);

struct Cd {
  devices::DrivePlace place;
  std::unique_ptr<devices::BlockBackend> medium;  // null: none
};
// A disc by a disk item, for a drive of a guest that runs.
Result<Cd> open_cd(const std::string& spec);

}  // namespace tandem::tools
