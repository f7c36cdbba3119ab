#include "frontend-sdl/window.h"

#include <fmt/format.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include "devices/display/picture_mailbox.h"
#include "frontend-sdl/host_window.h"

namespace tandem::frontend {

using devices::Picture;
using devices::Rows;

namespace {
constexpr int kLookEvery = 50;  // milliseconds, where nobody wakes the thread
}

class Window::Impl {
 public:
  Impl(std::string name, devices::InputSink& input, WindowCallbacks callbacks)
      : name_(std::move(name)), input_(input), callbacks_(std::move(callbacks)) {}
  ~Impl() {
    ending_ = true;
    HostWindow::wake();
    if (thread_.joinable()) thread_.join();
  }

  Result<void> start() {
    std::promise<std::string> opened;
    thread_ = std::thread([&] { run(opened); });
    const std::string refusal = opened.get_future().get();
    return refusal.empty() ? Result<void>() : host_error("display: " + refusal);
  }

  void show(const Picture& image, std::span<const Rows> changed) {
    if (pictures_.put(image, changed)) HostWindow::wake();
  }
  bool wants_figures() const { return wants_figures_; }
  void post(std::function<void(HostWindow&)> what) {
    {
      std::lock_guard lock(mutex_);
      posted_.push_back(std::move(what));
    }
    HostWindow::wake();
  }

 private:
  void run(std::promise<std::string>& opened) {
    HostWindow window(name_, input_, callbacks_);
    const std::string refusal = window.open();
    opened.set_value(refusal);  // `opened` is gone from here on
    if (!refusal.empty()) return;
    while (!ending_) {
      take_news(window);
      window.work(kLookEvery);
      wants_figures_ = window.shows_statistics();
    }
  }

  void take_news(HostWindow& window) {
    pictures_.take([&](const Picture& image, std::span<const Rows> changed) { window.show(image, changed); });
    std::vector<std::function<void(HostWindow&)>> posted;
    {
      std::lock_guard lock(mutex_);
      posted.swap(posted_);
    }
    for (const auto& what : posted) what(window);
  }

  std::string name_;
  devices::InputSink& input_;
  WindowCallbacks callbacks_;
  std::atomic<bool> ending_ = false, wants_figures_ = false;
  devices::PictureMailbox pictures_;
  std::mutex mutex_;
  std::vector<std::function<void(HostWindow&)>> posted_;  // with mutex_: for the window's thread
  std::thread thread_;
};

Result<std::unique_ptr<Window>> Window::open(const std::string& name, devices::InputSink& input,
                                             WindowCallbacks callbacks) {
  auto impl = std::make_unique<Impl>(name, input, std::move(callbacks));
  TANDEM_TRY(impl->start());
  return std::unique_ptr<Window>(new Window(std::move(impl)));
}

Window::Window(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Window::~Window() = default;

Result<void> Window::show(const Picture& image, std::span<const Rows> changed) {
  return impl_->show(image, changed), Result<void>();
}
void Window::set_status(Status status) {
  impl_->post([status = std::move(status)](HostWindow& w) { w.set_status(status); });
}
bool Window::wants_figures() const { return impl_->wants_figures(); }
void Window::tell(std::string text) {
  impl_->post([text = std::move(text)](HostWindow& w) { w.tell(text); });
}
void Window::set_clipboard(std::string text) {
  impl_->post([text = std::move(text)](HostWindow& w) { w.set_clipboard(text); });
}

}  // namespace tandem::frontend
