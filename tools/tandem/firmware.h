// The firmware that a guest starts with.
#pragma once

#include "core/config/settings.h"
#include "devices/board/pc.h"

namespace tandem::tools {

// The file of `firmware`, or SeaBIOS as Debian installs it.
Result<devices::FirmwareConfig> open_firmware(const config::Settings& settings);

}  // namespace tandem::tools
