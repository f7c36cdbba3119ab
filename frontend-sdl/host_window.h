// HostWindow: the window as SDL has it. All of it belongs to the thread that opens it.
#pragma once

#include <SDL.h>

#include "devices/input/key_queue.h"
#include "frontend-sdl/frame_rate.h"
#include "frontend-sdl/gui.h"
#include "frontend-sdl/menu.h"
#include "frontend-sdl/pointer.h"
#include "frontend-sdl/size_choice.h"
#include "frontend-sdl/window.h"

namespace tandem::frontend {

class HostWindow final : private MenuUser {
 public:
  HostWindow(const std::string& name, devices::InputSink& input, const WindowCallbacks& callbacks)
      : name_(name), callbacks_(callbacks), keyboard_(input), pointer_(input), menu_(*this) {}
  ~HostWindow();

  std::string open();  // why not; empty: it is
  // image: the whole picture, of which so much is new.
  void show(const devices::Picture& image, std::span<const devices::Rows> changed);
  void set_status(Status status);
  void tell(std::string text);
  void set_clipboard(const std::string& text);
  bool shows_statistics() const { return state_.statistics; }
  // Draws where there is something new, takes what the user does, and waits for that for so long at most.
  void work(int milliseconds);
  // Ends the wait of work(). [any-thread]
  static void wake();

 private:
  void run(Command command) override;
  void ask(Request request) override;
  void set_scaling(Scaling scaling) override;
  void send_chord(std::initializer_list<u16> keys) override;

  void handle(const SDL_Event& event);
  void handle_window(const SDL_WindowEvent& event);
  void handle_key(const SDL_KeyboardEvent& event);
  void handle_motion(const SDL_MouseMotionEvent& event);
  void handle_button(const SDL_Event& event);
  void focus_lost();
  void resized();
  void tell_size();
  void grab(bool on);
  void paste();
  void host_clipboard_changed();

  bool make_texture(int width, int height);
  // What a window may cover of its display; widths of its frame, to the left x, above y, right w, below h.
  struct Surroundings {
    SDL_Rect room, frame;
  };
  Surroundings surroundings() const;
  void fit_window();
  void moved();
  void keep_on_screen();
  void toggle_full_screen();
  Area area() const;  // of the picture, in pixels of the window
  void draw();
  void update_title();
  void redraw_soon();

  const std::string& name_;
  const WindowCallbacks& callbacks_;
  SDL_Window* window_ = nullptr;
  SDL_Renderer* renderer_ = nullptr;
  SDL_Texture* texture_ = nullptr;
  devices::KeyQueue keyboard_;
  Pointer pointer_;
  Gui gui_;
  Menu menu_;
  Status status_;
  WindowState state_;
  FrameRate frame_rate_;
  float scale_ = 1;          // pixels for what is one on an ordinary screen
  float pixel_ratio_ = 1;    // pixels for one of SDL's units
  int bar_height_ = 0;       // pixels
  unsigned frames_due_ = 0;  // that have to be drawn, whatever happens
  bool gui_has_button_ = false, menu_called_ = false;
  std::string title_, clipboard_;  // clipboard_: that the guest knows
  SizeChoice size_choice_;
  SizeChoice::Clock::time_point fitted_at_{};
};

}  // namespace tandem::frontend
