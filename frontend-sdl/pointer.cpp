#include "frontend-sdl/pointer.h"

#include <algorithm>

namespace tandem::frontend {

using devices::InputSink;
using devices::PointerButton;

void Pointer::moved(int x, int y, int right, int down, const Area& picture) {
  if (!input_.takes_points()) {
    if (grabbed_) input_.move(right, down, 0);
    return;
  }
  const auto scaled = [](int at, int start, int size) {
    const i64 place = (i64{at} - start) * InputSink::kPointerRange / std::max(size - 1, 1);
    return static_cast<u32>(std::clamp<i64>(place, 0, InputSink::kPointerRange));
  };
  input_.point(scaled(x, picture.x, picture.width), scaled(y, picture.y, picture.height));
}

void Pointer::press(Uint8 sdl_button, bool pressed) {
  const Uint32 mask = SDL_BUTTON(sdl_button);
  pressed_ = pressed ? pressed_ | mask : pressed_ & ~mask;
  switch (sdl_button) {
    case SDL_BUTTON_LEFT: return input_.button(PointerButton::Left, pressed);
    case SDL_BUTTON_RIGHT: return input_.button(PointerButton::Right, pressed);
    case SDL_BUTTON_MIDDLE: return input_.button(PointerButton::Middle, pressed);
    default: return;
  }
}

void Pointer::button(const SDL_MouseButtonEvent& event) {
  const bool pressed = event.type == SDL_MOUSEBUTTONDOWN;
  if (reaches_guest()) {
    if (pressed || (pressed_ & SDL_BUTTON(event.button))) press(event.button, pressed);
  } else if (pressed) {
    grab(true);
  }
}

void Pointer::wheel(const SDL_MouseWheelEvent& event) {
  if (reaches_guest()) input_.move(0, 0, event.y);
}

void Pointer::release_buttons() {
  for (const Uint8 button : {SDL_BUTTON_LEFT, SDL_BUTTON_RIGHT, SDL_BUTTON_MIDDLE})
    if (pressed_ & SDL_BUTTON(button)) press(button, false);
}

void Pointer::grab(bool on) {
  if (on == grabbed_) return;
  if (!on) release_buttons();
  grabbed_ = on;
  SDL_SetRelativeMouseMode(on && !input_.takes_points() ? SDL_TRUE : SDL_FALSE);
  SDL_SetWindowMouseGrab(window_, on ? SDL_TRUE : SDL_FALSE);
  SDL_SetWindowKeyboardGrab(window_, on ? SDL_TRUE : SDL_FALSE);
}

void Pointer::show_host_pointer(bool over_picture) {
  const bool guests = over_picture && input_.takes_points();
  SDL_ShowCursor(guests ? SDL_DISABLE : SDL_ENABLE);
}

}  // namespace tandem::frontend
