// What a display says of itself (VESA E-EDID 1.4): its one mode, which is the size of whoever shows it.
#pragma once

#include <array>

#include "core/base/types.h"

namespace tandem::devices::virtio::gpu {

inline constexpr u32 kMinSize = 64, kMaxWidth = 4088, kMaxHeight = 4088;

// width, height: from kMinSize to what a detailed timing can say, kMaxWidth and kMaxHeight.
std::array<u8, 128> edid(u32 width, u32 height);

}  // namespace tandem::devices::virtio::gpu
