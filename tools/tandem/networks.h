// vif=: from settings to network back ends.
#pragma once

#include "core/config/settings.h"
#include "tools/tandem/guest.h"

namespace tandem::tools {

// One user network where nothing is said. Error: one line that names the item.
Result<void> open_networks(const config::Settings& settings, Guest& guest);
// vsock=
Result<void> open_vsock(const config::Settings& settings, Guest& guest);

}  // namespace tandem::tools
