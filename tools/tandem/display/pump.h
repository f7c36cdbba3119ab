// DisplayPump: looks at a display as often as a screen is drawn, and hands on what has changed.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "devices/display/display.h"
#include "devices/display/display_sink.h"

namespace tandem::tools {

// Has a thread of its own: no vCPU waits for it.
class DisplayPump {
 public:
  // Both outlive it.
  DisplayPump(devices::Display& display, devices::DisplaySink& sink);
  ~DisplayPump();

 private:
  void run();
  bool sleep(std::chrono::microseconds time);  // false: it ends

  devices::Display& display_;
  devices::DisplaySink& sink_;
  std::mutex mutex_;
  std::condition_variable end_;
  bool ending_ = false;  // with mutex_
  std::thread thread_;
};

}  // namespace tandem::tools
