// disk= and cdrom=: from settings to back ends at the board's places.
#pragma once

#include <map>
#include <string>

#include "core/config/settings.h"
#include "devices/board/pc.h"

namespace tandem::tools {

// Opens the images. Error: one line that names the item.
Result<void> open_disks(const config::Settings& settings, devices::PcConfig& config);

// Drives for discs by their names, with the path of what lies in them at the start.
std::map<std::string, std::string> cd_drives(const config::Settings& settings);

struct Cd {
  devices::DrivePlace place;
  std::unique_ptr<devices::BlockBackend> medium;  // null: none
};
// A disc by a disk item, for a drive of a guest that runs.
Result<Cd> open_cd(const std::string& spec);

}  // namespace tandem::tools
