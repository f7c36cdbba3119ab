// Wayland counts windows in units of its own, of which each is several pixels. X counts in pixels, and
// programs scale themselves by Xft.dpi, a resource that desktops set, or by the screen's size in millimetres,
// which the server makes up for 96 dots an inch where it was not told otherwise.
#include "frontend-sdl/screen_scale.h"

#include <SDL_syswm.h>
#include <X11/Xlib.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace tandem::frontend {

namespace {

constexpr double kOrdinaryDpi = 96, kMillimetresPerInch = 25.4;

double x_dpi(::Display* display) {
  constexpr const char* kResource = "Xft.dpi:";
  const char* const resources = XResourceManagerString(display);
  if (const char* const found = resources ? std::strstr(resources, kResource) : nullptr)
    return std::strtod(found + std::strlen(kResource), nullptr);
  const int screen = DefaultScreen(display), millimetres = DisplayHeightMM(display, screen);
  return millimetres > 0 ? DisplayHeight(display, screen) * kMillimetresPerInch / millimetres : kOrdinaryDpi;
}

}  // namespace

float screen_scale(SDL_Window* window, float pixels_per_unit) {
  if (pixels_per_unit > 1) return pixels_per_unit;
  SDL_SysWMinfo info;
  SDL_VERSION(&info.version);
  if (!SDL_GetWindowWMInfo(window, &info) || info.subsystem != SDL_SYSWM_X11) return 1;
  return static_cast<float>(std::clamp(std::round(x_dpi(info.info.x11.display) / kOrdinaryDpi), 1.0, 4.0));
}

}  // namespace tandem::frontend
