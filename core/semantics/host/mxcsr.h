#pragma once

#include "core/base/types.h"

namespace tandem::semantics {

// Bits of MXCSR that exist, as FXSAVE's MXCSR_MASK says (SDM vol. 1, 11.6.6).
inline constexpr u32 kMxcsrMask = 0xffff;
inline constexpr u32 kMxcsrInitial = 0x1f80;

}  // namespace tandem::semantics
