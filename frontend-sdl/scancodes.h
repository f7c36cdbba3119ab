// Keys of SDL (USB HID usages) as Linux' key codes.
#pragma once

#include <SDL_scancode.h>

#include "core/base/types.h"

namespace tandem::frontend {

// 0: a key that guests do not know.
u16 linux_key(SDL_Scancode code);

}  // namespace tandem::frontend
