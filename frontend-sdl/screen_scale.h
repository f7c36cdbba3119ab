// How much larger things have to be on this screen than on an ordinary one of 96 dots an inch.
#pragma once

#include <SDL.h>

namespace tandem::frontend {

// In pixels; by what the desktop says: 1 where it says nothing. pixels_per_unit: of SDL's units.
float screen_scale(SDL_Window* window, float pixels_per_unit);

}  // namespace tandem::frontend
