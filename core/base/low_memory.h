// Memory below 2 GiB, whose addresses generated code can name in 32 bits.
#pragma once

#include "core/base/types.h"

namespace tandem {

// Zeroed pages, or null where the host has none there. [any-thread]
void* map_low_memory(u64 bytes);
void unmap_low_memory(void* memory, u64 bytes);

}  // namespace tandem
