// Random bytes of the host's kernel.
#pragma once

#include <span>

#include "core/base/types.h"

namespace tandem::devices {

void host_entropy(std::span<u8> bytes);

}  // namespace tandem::devices
