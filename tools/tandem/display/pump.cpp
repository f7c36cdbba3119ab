#include "tools/tandem/display/pump.h"

#include <chrono>

namespace tandem::tools {

namespace {

using std::chrono::microseconds;
constexpr microseconds kFrame(16'667), kIdleFrame(50'000);
constexpr unsigned kIdleAfter = 60;      // looks that found nothing new
constexpr microseconds kBlink(266'667);  // 16 frames, as a VGA counts for its cursor

}  // namespace

DisplayPump::DisplayPump(devices::Display& display, devices::DisplaySink& sink)
    : display_(display), sink_(sink), thread_([this] { run(); }) {}

DisplayPump::~DisplayPump() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  end_.notify_all();
  thread_.join();
}

bool DisplayPump::sleep(microseconds time) {
  std::unique_lock lock(mutex_);
  return !end_.wait_for(lock, time, [&] { return ending_; });
}

void DisplayPump::run() {
  const std::unique_ptr<devices::DisplayView> view = display_.open_view();
  const auto started = std::chrono::steady_clock::now();
  unsigned unchanged = 0;
  do {
    const bool blink_shown = (std::chrono::steady_clock::now() - started) / kBlink % 2 == 0;
    const std::vector<devices::Rows> changed = view->refresh(blink_shown);
    if (!changed.empty()) (void)sink_.show(view->picture(), changed);
    unchanged = changed.empty() ? unchanged + 1 : 0;
  } while (sleep(unchanged < kIdleAfter ? kFrame : kIdleFrame));
}

}  // namespace tandem::tools
