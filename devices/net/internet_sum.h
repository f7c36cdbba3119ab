// The Internet checksum (RFC 1071).
#pragma once

#include <span>

#include "core/base/types.h"

namespace tandem::devices {

// Of the bytes, not inverted.
u16 internet_sum(std::span<const u8> bytes);

}  // namespace tandem::devices
