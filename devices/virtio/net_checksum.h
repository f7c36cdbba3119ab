// Checksum offload: what the driver left for the device to do (VIRTIO 1.2, 5.1.6.2).
#pragma once

#include <span>

#include "core/base/types.h"

namespace tandem::devices::virtio {

// Where the header in front of the frame asks for it, puts the checksum of its part into the frame.
void complete_checksum(std::span<const u8> header, std::span<u8> frame);

}  // namespace tandem::devices::virtio
