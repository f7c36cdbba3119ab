// GuestWindow: a window with a guest's display, and what is asked for there said to the guest.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "frontend-sdl/window.h"
#include "tools/tandem/display/face.h"
#include "tools/tandem/display/figures.h"
#include "tools/tandem/display/pump.h"

namespace tandem::tools {

class GuestWindow final : public Face {
 public:
  // All outlive it. The guest has a display.
  static Result<std::unique_ptr<Face>> open(devices::Pc& pc, const config::Settings& settings,
                                            GuestControl& control);
  ~GuestWindow() override;

 private:
  GuestWindow(devices::Pc& pc, const config::Settings& settings, GuestControl& control);
  Result<void> start();
  void post(frontend::Request request);
  void run();
  Json ask(const Json& request);  // tells of a refusal
  void act(const frontend::Request& request);
  void screenshot();
  void close();
  void next_engine();
  void show_status();

  devices::Pc& pc_;
  GuestControl& control_;
  std::string name_;
  std::unique_ptr<frontend::Window> window_;
  std::unique_ptr<DisplayPump> pump_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<frontend::Request> requests_;  // with mutex_, as `ending_`
  bool ending_ = false;
  bool asked_to_end_ = false;  // of the thread that acts, as what follows
  unsigned screenshots_ = 0;
  Figures figures_;
  std::thread thread_;
};

}  // namespace tandem::tools
