// The firmware that a guest starts with.
#pragma once

#include "core/config/settings.h"
#include "devices/board/pc.h"

namespace tandem::tools {

// The file of `firmware`, or SeaBIOS as Debian installs it.
Result<devices::FirmwareConfig> open_firmware(const config::Settings& settings);

// iPXE, where the guest may start over the network, for the adapters that it has.
Result<devices::BootRoms> open_boot_roms(const config::Settings& settings, const devices::PcConfig& config);

// The display adapter with its video BIOS, from the same package.
Result<devices::VgaConfig> open_vga(const config::Settings& settings);

}  // namespace tandem::tools
