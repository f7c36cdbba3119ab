// Whether the host itself reaches anything.
#pragma once

namespace tandem::devices {

// It has a default route (IPv4).
bool host_has_default_route();

}  // namespace tandem::devices
