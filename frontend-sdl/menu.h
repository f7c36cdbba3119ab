// Menu: the window's menu bar, its statistics, notices, and the dialog for another disc.
#pragma once

#include <chrono>
#include <deque>
#include <initializer_list>
#include <string>

#include "frontend-sdl/commands.h"
#include "frontend-sdl/file_dialog.h"
#include "frontend-sdl/layout.h"
#include "frontend-sdl/window.h"

namespace tandem::frontend {

// What is chosen there.
class MenuUser {
 public:
  virtual void run(Command command) = 0;
  virtual void ask(Request request) = 0;
  virtual void set_scaling(Scaling scaling) = 0;
  virtual void send_chord(std::initializer_list<u16> keys) = 0;

 protected:
  ~MenuUser() = default;
};

// What the window is like now.
struct WindowState {
  Scaling scaling = Scaling::Fit;
  bool grabbed = false, full_screen = false, statistics = false, menu_bar = true;
  int picture_width = 0, picture_height = 0;
  double pictures_per_second = 0;
};

// Of the window's thread.
class Menu {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Menu(MenuUser& user) : user_(user) {}

  void open() { wants_open_ = true; }  // for the keyboard
  void tell(std::string text, Clock::time_point now);
  // Between Gui::begin_frame and end_frame.
  void draw(const Status& status, const WindowState& window, Clock::time_point now);
  // Something disappears then.
  std::optional<Clock::time_point> next_change() const;

 private:
  void draw_bar(const Status& status, const WindowState& window);
  void machine_menu(const Status& status);
  void drives_menu(const Status& status);
  void engine_menu(const Status& status);
  void keys_menu();
  void view_menu(const WindowState& window);
  void item(Command command, const char* label = nullptr, bool checked = false);
  void draw_statistics(const Status& status, const WindowState& window);
  void draw_notices();

  struct Notice {
    std::string text;
    Clock::time_point end;
  };
  MenuUser& user_;
  bool wants_open_ = false;
  std::deque<Notice> notices_;
  FileDialog disc_dialog_{"Choose a disc", {".iso", ".img", ".cdr", ".bin"}};
  std::string drive_;  // that the dialog is for
};

}  // namespace tandem::frontend
