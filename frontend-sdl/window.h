// Window: a guest's display, keyboard and pointer in a window of the host's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "devices/display/display_sink.h"
#include "devices/input/input_sink.h"

namespace tandem::frontend {

// What somebody at the window asks for, by Ctrl+Alt and a key; Close by the window's button.
enum class Action : u8 { Pause, Reset, PowerButton, Screenshot, SwitchEngine, Paste, Close };

struct WindowCallbacks {
  // On the window's thread; returns soon. text: of the clipboard, for Paste.
  std::function<void(Action action, const std::string& text)> act;
};

// Has a thread of its own, which alone talks to the host's display.
class Window final : public devices::DisplaySink {
 public:
  // Error: no window can be opened here. name: for the title.
  static Result<std::unique_ptr<Window>> open(const std::string& name, devices::InputSink& input,
                                              WindowCallbacks callbacks);
  ~Window() override;

  // Keeps the picture for the window's next look; never waits for the host. [any-thread]
  Result<void> show(const devices::Picture& picture) override;
  // What the title says behind the name: engine, speed. [any-thread]
  void set_status(const std::string& status);

 private:
  class Impl;
  explicit Window(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::frontend
