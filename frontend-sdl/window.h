// Window: a guest's display, keyboard, pointer, clipboard and sound on the host's desktop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "devices/display/display_sink.h"
#include "devices/input/input_sink.h"

namespace tandem::frontend {

// What somebody at the window asks for, in its menu, by Ctrl+Alt and a key, or by its close button.
enum class Action : u8 {
  Pause,  // or goes on
  Reset,
  PowerButton,
  Screenshot,
  Engine,    // detail: which; empty: the next one
  ChangeCd,  // drive; detail: the image's path, empty: none
  Paste,     // detail: the text to be typed
  Close,     // the guest is to end, in good order
  Quit,      // ... at once
};

struct Request {
  Action action;
  std::string detail = {}, drive = {};
};

// What the title, the menu and the statistics say of the guest.
struct Status {
  std::string engine;
  bool paused = false;
  double million_per_second = 0;                               // instructions
  std::vector<std::pair<std::string, double>> shares;          // of the engine's tiers, of all instructions
  std::vector<std::pair<std::string, std::string>> cd_drives;  // name, medium
};

// All are called on the window's thread, and return soon.
struct WindowCallbacks {
  std::function<void(Request)> act;
  std::function<void(u32 width, u32 height)> resized;  // by the user: the size there is for a picture
  // Somebody on the host has copied a text. Empty: nobody wants to know.
  std::function<void(std::string text)> clipboard;
};

// Has a thread of its own, which alone talks to the host's display.
class Window final : public devices::DisplaySink {
 public:
  // Error: no window can be opened here. name: for the title.
  static Result<std::unique_ptr<Window>> open(const std::string& name, devices::InputSink& input,
                                              WindowCallbacks callbacks);
  ~Window() override;

  // Keeps what has changed for the window's thread; never waits for the host. [any-thread]
  Result<void> show(const devices::Picture& image, std::span<const devices::Rows> changed) override;
  void set_status(Status status);        // [any-thread]
  bool wants_figures() const;            // of the status: speed and shares are shown [any-thread]
  void tell(std::string text);           // shown for some seconds [any-thread]
  void set_clipboard(std::string text);  // of the host [any-thread]

 private:
  class Impl;
  explicit Window(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::frontend
