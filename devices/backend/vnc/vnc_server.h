// VncServer: a guest's display, keyboard and pointer for viewers of VNC (RFC 6143), by libvncserver.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "devices/display/display_sink.h"
#include "devices/input/input_sink.h"

namespace tandem::devices {

struct VncConfig {
  std::string name;      // that viewers show
  std::string password;  // empty: none. VNC's authentication takes the first 8 characters
  int listener = -1;     // of a stream socket, not blocking; owned
  // On the server's thread.
  std::function<bool(u32 width, u32 height)> resized;  // a viewer would like that; false: it can't be
  std::function<void(std::string text)> clipboard;     // somebody has copied a text
};

// Has a thread of its own, which alone talks to viewers: one that takes nothing holds up nobody but others.
class VncServer final : public DisplaySink {
 public:
  // input outlives it.
  static Result<std::unique_ptr<VncServer>> start(VncConfig config, InputSink& input);
  ~VncServer() override;

  Result<void> show(const Picture& image, std::span<const Rows> changed) override;  // [any-thread]
  void set_clipboard(std::string text);                                             // UTF-8 [any-thread]

 private:
  class Impl;
  explicit VncServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::devices
