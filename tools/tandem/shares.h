// p9=: from settings to shared folders.
#pragma once

#include "core/config/settings.h"
#include "devices/board/pc.h"

namespace tandem::tools {

// Opens the folders. Error: one line that names the item.
Result<void> open_shares(const config::Settings& settings, devices::PcConfig& config);

}  // namespace tandem::tools
