// disk= and cdrom=: from settings to back ends at the board's places.
#pragma once

#include "core/config/settings.h"
#include "devices/board/pc.h"

namespace tandem::tools {

// Opens the images. Error: one line that names the item.
Result<void> open_disks(const config::Settings& settings, devices::PcConfig& config);

}  // namespace tandem::tools
