// HostWindow: the window as SDL has it. All of it belongs to the thread that opens it.
#pragma once

#include <SDL.h>

#include <deque>
#include <set>
#include <utility>

#include "devices/display/picture.h"
#include "frontend-sdl/layout.h"
#include "frontend-sdl/window.h"

namespace tandem::frontend {

class HostWindow {
 public:
  HostWindow(const std::string& name, devices::InputSink& input, const WindowCallbacks& callbacks)
      : name_(name), input_(input), callbacks_(callbacks) {}
  ~HostWindow();

  std::string open();  // why not; empty: it is
  void show(const devices::Picture& picture);
  void set_status(const std::string& status);
  // Takes what the user does, and waits so many milliseconds for it at most.
  void handle_events(int milliseconds);

 private:
  void handle(const SDL_Event& event);
  void handle_key(const SDL_KeyboardEvent& event);
  bool handle_hot_key(SDL_Scancode code);
  void handle_motion(const SDL_MouseMotionEvent& event);
  void handle_button(const SDL_MouseButtonEvent& event);
  void send_key(u16 key, bool pressed);
  void send_waiting_keys();
  void release_keys();
  void grab(bool on);
  void toggle_fullscreen();
  void next_scaling();
  void act(Action action);
  bool make_texture(int width, int height);
  Area area() const;
  void draw();
  void update_title();

  const std::string& name_;
  devices::InputSink& input_;
  const WindowCallbacks& callbacks_;
  SDL_Window* window_ = nullptr;
  SDL_Renderer* renderer_ = nullptr;
  SDL_Texture* texture_ = nullptr;
  int width_ = 0, height_ = 0;  // of the picture
  Scaling scaling_ = Scaling::Fit;
  bool grabbed_ = false, fullscreen_ = false;
  std::set<u16> pressed_;                     // keys that the guest has, or will have, as pressed
  std::deque<std::pair<u16, bool>> waiting_;  // that the guest had no room for
  std::string status_;
};

}  // namespace tandem::frontend
