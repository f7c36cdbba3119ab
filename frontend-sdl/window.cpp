#include "frontend-sdl/window.h"

#include <fmt/format.h>

#include <future>
#include <mutex>
#include <thread>

#include "frontend-sdl/host_window.h"

namespace tandem::frontend {

using devices::Picture;

namespace {
constexpr int kLookEvery = 8;  // milliseconds: sooner than a screen's next frame
}

class Window::Impl {
 public:
  Impl(std::string name, devices::InputSink& input, WindowCallbacks callbacks)
      : name_(std::move(name)), input_(input), callbacks_(std::move(callbacks)) {}
  ~Impl() {
    ending_ = true;
    if (thread_.joinable()) thread_.join();
  }

  Result<void> start() {
    std::promise<std::string> opened;
    thread_ = std::thread([&] { run(opened); });
    const std::string refusal = opened.get_future().get();
    return refusal.empty() ? Result<void>() : host_error("display: " + refusal);
  }

  void show(const Picture& picture) {
    std::lock_guard lock(mutex_);
    picture_ = picture;
  }
  void set_status(const std::string& status) {
    std::lock_guard lock(mutex_);
    status_ = status;
  }

 private:
  void run(std::promise<std::string>& opened) {
    HostWindow window(name_, input_, callbacks_);
    const std::string refusal = window.open();
    opened.set_value(refusal);  // `opened` is gone from here on
    if (!refusal.empty()) return;
    while (!ending_) {
      std::optional<Picture> picture;
      std::optional<std::string> status;
      {
        std::lock_guard lock(mutex_);
        picture.swap(picture_);
        status.swap(status_);
      }
      if (picture) window.show(*picture);
      if (status) window.set_status(*status);
      window.handle_events(kLookEvery);
    }
  }

  std::string name_;
  devices::InputSink& input_;
  WindowCallbacks callbacks_;
  std::atomic<bool> ending_ = false;
  std::mutex mutex_;
  std::optional<Picture> picture_;  // with mutex_: that the window has not taken
  std::optional<std::string> status_;
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

Result<void> Window::show(const Picture& picture) { return impl_->show(picture), Result<void>(); }
void Window::set_status(const std::string& status) { impl_->set_status(status); }

}  // namespace tandem::frontend
