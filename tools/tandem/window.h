// GuestWindow: a window with a guest's display, and what its keys ask of the guest.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/config/settings.h"
#include "devices/board/pc.h"
#include "frontend-sdl/window.h"
#include "tools/tandem/control/guest_control.h"

namespace tandem::tools {

// Whether this guest is to have a window: display=sdl, or nothing said, a display adapter, and a host's
// display. Error: a window is asked for that can't be.
Result<bool> wants_window(const config::Settings& settings, bool has_display);

class GuestWindow {
 public:
  // All outlive it.
  static Result<std::unique_ptr<GuestWindow>> open(devices::Pc& pc, const config::Settings& settings,
                                                   GuestControl& control);
  ~GuestWindow();

 private:
  GuestWindow(devices::Pc& pc, const config::Settings& settings, GuestControl& control);
  Result<void> start();
  void post(frontend::Action action, const std::string& text);
  void show_pictures();
  void run_actions();
  void act(frontend::Action action, const std::string& text);
  void show_status();
  void next_engine();

  devices::Pc& pc_;
  GuestControl& control_;
  std::string name_;
  std::unique_ptr<frontend::Window> window_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<frontend::Action, std::string>> actions_;  // with mutex_, as `ending_`
  bool ending_ = false;
  bool asked_to_end_ = false;  // of the thread that acts, as what follows
  unsigned screenshots_ = 0;
  u64 retired_ = 0;
  std::thread pictures_thread_, actions_thread_;
};

}  // namespace tandem::tools
