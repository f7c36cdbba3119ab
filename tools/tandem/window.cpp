#include "tools/tandem/window.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "tools/tandem/report.h"

namespace tandem::tools {

using frontend::Action;

namespace {

constexpr auto kFrame = std::chrono::microseconds(16'667);
constexpr auto kStatusEvery = std::chrono::seconds(1);

bool host_has_display() {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value && *value;
  };
  return set("DISPLAY") || set("WAYLAND_DISPLAY");
}

}  // namespace

Result<bool> wants_window(const config::Settings& s, bool has_display) {
  if (s.display == "none") return false;
  if (s.display.empty()) return has_display && host_has_display();
  if (!has_display) return user_error("display: a guest without firmware, or without vga, has no display");
  return true;
}

Result<std::unique_ptr<GuestWindow>> GuestWindow::open(devices::Pc& pc, const config::Settings& settings,
                                                       GuestControl& control) {
  std::unique_ptr<GuestWindow> window(new GuestWindow(pc, settings, control));
  TANDEM_TRY(window->start());
  return window;
}

GuestWindow::GuestWindow(devices::Pc& pc, const config::Settings& s, GuestControl& control)
    : pc_(pc), control_(control), name_(s.name.empty() ? "Tandem" : s.name) {}

GuestWindow::~GuestWindow() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (pictures_thread_.joinable()) pictures_thread_.join();
  if (actions_thread_.joinable()) actions_thread_.join();
}

Result<void> GuestWindow::start() {
  auto window = frontend::Window::open(
      name_, pc_.input(), {[this](Action action, const std::string& text) { post(action, text); }});
  if (!window) return std::move(window.error());
  window_ = window.take();
  pictures_thread_ = std::thread([this] { show_pictures(); });
  actions_thread_ = std::thread([this] { run_actions(); });
  return {};
}

void GuestWindow::post(Action action, const std::string& text) {
  {
    std::lock_guard lock(mutex_);
    actions_.emplace_back(action, text);
  }
  changed_.notify_all();
}

void GuestWindow::show_pictures() {
  devices::Picture shown;
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kFrame, [&] { return ending_; })) {
    lock.unlock();
    if (auto picture = pc_.picture(); picture && *picture != shown) {
      shown = std::move(*picture);
      (void)window_->show(shown);
    }
    lock.lock();
  }
}

void GuestWindow::run_actions() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    changed_.wait_for(lock, kStatusEvery, [&] { return ending_ || !actions_.empty(); });
    while (!ending_ && !actions_.empty()) {
      const auto [action, text] = std::move(actions_.front());
      actions_.pop_front();
      lock.unlock();
      act(action, text);
      lock.lock();
    }
    lock.unlock();
    show_status();
    lock.lock();
  }
}

void GuestWindow::act(Action action, const std::string& text) {
  const auto ask = [&](const Json& request) {
    const Json reply = control_.execute(request);
    if (!reply.value("ok", false)) say(reply.value("error", ""));
    return reply;
  };
  switch (action) {
    case Action::Pause:
      ask({{"do", ask({{"do", "status"}}).value("state", "") == "paused" ? "resume" : "pause"}});
      break;
    case Action::Reset: ask({{"do", "reset"}}); break;
    case Action::PowerButton: ask({{"do", "poweroff"}}); break;
    case Action::Screenshot: {
      const std::string path = fmt::format("{}-{}.png", name_, ++screenshots_);
      if (ask({{"do", "screenshot"}, {"to", path}}).value("ok", false)) say("screenshot: " + path);
      break;
    }
    case Action::SwitchEngine: next_engine(); break;
    case Action::Paste: ask({{"do", "send-text"}, {"text", text}}); break;
    case Action::Close:
      ask({{"do", asked_to_end_ ? "quit" : "poweroff"}});
      asked_to_end_ = true;
      break;
  }
}

// The one behind the present one that can be had here.
void GuestWindow::next_engine() {
  static constexpr std::string_view kEngines[] = {"jit", "interp", "kvm"};
  const std::string now = control_.execute({{"do", "engine"}}).value("engine", "");
  std::size_t at = 0;
  while (at < std::size(kEngines) && kEngines[at] != now) ++at;
  for (std::size_t n = 1; n < std::size(kEngines); ++n) {
    const Json request = {{"do", "engine"}, {"to", kEngines[(at + n) % std::size(kEngines)]}};
    if (control_.execute(request).value("ok", false)) return;
  }
}

void GuestWindow::show_status() {
  machine::Machine& m = pc_.machine();
  const Json status = control_.execute({{"do", "status"}});
  const u64 retired = m.while_held([&] { return m.retired(); });
  const u64 millions = (retired - std::exchange(retired_, retired)) / 1'000'000;
  std::string text = status.value("engine", "");
  if (status.value("state", "") == "paused") text += ", paused";
  else if (millions) text += fmt::format(", {} million instructions a second", millions);
  window_->set_status(text);
}

}  // namespace tandem::tools
