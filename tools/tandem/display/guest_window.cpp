#include "tools/tandem/display/guest_window.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>

namespace tandem::tools {

using frontend::Action;
using frontend::Request;

namespace {
constexpr auto kStatusEvery = std::chrono::seconds(1);
}

Result<std::unique_ptr<Face>> GuestWindow::open(devices::Pc& pc, const config::Settings& settings,
                                                GuestControl& control) {
  std::unique_ptr<GuestWindow> window(new GuestWindow(pc, settings, control));
  TANDEM_TRY(window->start());
  return std::unique_ptr<Face>(std::move(window));
}

GuestWindow::GuestWindow(devices::Pc& pc, const config::Settings& s, GuestControl& control)
    : pc_(pc), control_(control), name_(s.name.empty() ? "Tandem" : s.name) {}

GuestWindow::~GuestWindow() {
  if (Clipboard* clipboard = control_.clipboard()) clipboard->set_listener(nullptr);
  pump_.reset();  // before the window that it shows in
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<void> GuestWindow::start() {
  frontend::WindowCallbacks callbacks;
  callbacks.act = [this](Request request) { post(std::move(request)); };
  callbacks.resized = [this](u32 width, u32 height) { pc_.display()->want_size(width, height); };
  if (Clipboard* clipboard = control_.clipboard())
    callbacks.clipboard = [clipboard](const std::string& text) { clipboard->copied_on_host(text); };
  auto window = frontend::Window::open(name_, pc_.input(), std::move(callbacks));
  if (!window) return std::move(window.error());
  window_ = window.take();
  pump_ = std::make_unique<DisplayPump>(*pc_.display(), *window_);
  if (Clipboard* clipboard = control_.clipboard())
    clipboard->set_listener([this](const std::string& text) { window_->set_clipboard(text); });
  thread_ = std::thread([this] { run(); });
  return {};
}

void GuestWindow::post(Request request) {
  {
    std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
  }
  changed_.notify_all();
}

void GuestWindow::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    lock.unlock();
    show_status();
    lock.lock();
    changed_.wait_for(lock, kStatusEvery, [&] { return ending_ || !requests_.empty(); });
    while (!ending_ && !requests_.empty()) {
      const Request request = std::move(requests_.front());
      requests_.pop_front();
      lock.unlock();
      act(request);
      lock.lock();
    }
  }
}

Json GuestWindow::ask(const Json& request) {
  Json reply = control_.execute(request);
  if (!reply.value("ok", false)) window_->tell(reply.value("error", ""));
  return reply;
}

void GuestWindow::act(const Request& request) {
  switch (request.action) {
    case Action::Pause:
      ask({{"do", ask({{"do", "status"}}).value("state", "") == "paused" ? "resume" : "pause"}});
      break;
    case Action::Reset: ask({{"do", "reset"}}); break;
    case Action::PowerButton: ask({{"do", "poweroff"}}); break;
    case Action::Screenshot: screenshot(); break;
    case Action::Engine:
      if (request.detail.empty()) next_engine();
      else ask({{"do", "engine"}, {"to", request.detail}});
      break;
    case Action::ChangeCd: {
      Json change = {{"do", "cd-change"}, {"unit", request.drive}};
      if (!request.detail.empty()) change["target"] = request.detail;
      ask(change);
      break;
    }
    case Action::Paste: ask({{"do", "send-text"}, {"text", request.detail}}); break;
    case Action::Close: close(); break;
    case Action::Quit: ask({{"do", "quit"}}); break;
  }
}

void GuestWindow::screenshot() {
  std::string path;
  do path = fmt::format("{}-{}.png", name_, ++screenshots_);
  while (std::filesystem::exists(path));
  if (ask({{"do", "screenshot"}, {"to", path}}).value("ok", false)) window_->tell("Screenshot: " + path);
}

// In good order first; one who insists gets it at once.
void GuestWindow::close() {
  if (asked_to_end_) {
    ask({{"do", "quit"}});
    return;
  }
  asked_to_end_ = true;
  ask({{"do", "poweroff"}});
  window_->tell("The guest was asked to shut down. Closing the window again ends it at once.");
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
  const Json said = control_.execute({{"do", "status"}});
  frontend::Status status;
  status.engine = said.value("engine", "");
  status.paused = said.value("state", "") == "paused";
  if (window_->wants_figures()) {
    figures_.update(control_.execute({{"do", "stats"}}), Figures::Clock::now());
    status.million_per_second = figures_.million_per_second();
    status.shares = figures_.shares();
  }
  const Json drives = said.value("cd", Json::object());
  for (const auto& [drive, medium] : drives.items())
    status.cd_drives.emplace_back(drive, medium.get<std::string>());
  window_->set_status(std::move(status));
}

}  // namespace tandem::tools
