// Pointer: the host's mouse as the guest's: a place on the screen where it has a tablet, movements otherwise,
// for which the window takes ("grabs") the mouse.
#pragma once

#include <SDL.h>

#include "devices/input/input_sink.h"
#include "frontend-sdl/layout.h"

namespace tandem::frontend {

class Pointer {
 public:
  explicit Pointer(devices::InputSink& input) : input_(input) {}

  void open(SDL_Window* window) { window_ = window; }
  // To this place, by so much; picture: where the guest's is, in the same units.
  void moved(int x, int y, int right, int down, const Area& picture);
  void button(const SDL_MouseButtonEvent& event);  // one outside the guest's reach takes the pointer
  void wheel(const SDL_MouseWheelEvent& event);
  void release_buttons();
  void grab(bool on);
  bool holds_button() const { return pressed_ != 0; }  // the guest has one as pressed
  bool grabbed() const { return grabbed_; }
  // The host's own pointer is seen where the guest does not have one.
  void show_host_pointer(bool over_picture);

 private:
  bool reaches_guest() const { return grabbed_ || input_.takes_points(); }
  void press(Uint8 sdl_button, bool pressed);

  devices::InputSink& input_;
  SDL_Window* window_ = nullptr;
  bool grabbed_ = false;
  Uint32 pressed_ = 0;  // SDL_BUTTON masks
};

}  // namespace tandem::frontend
