// CharBackend: the host's end of a serial line. Never blocks the caller.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::devices {

// The device's end. Called by the back end's own thread, with no back-end lock held.
class CharReceiver {
 public:
  virtual size_t room() = 0;                            // bytes that receive() takes now
  virtual void receive(std::span<const u8> bytes) = 0;  // at most room()
  virtual void writable() = 0;                          // can_write() has become true again

 protected:
  ~CharReceiver() = default;
};

class CharBackend {
 public:
  virtual ~CharBackend() = default;
  // Starts to deliver input; null stops, and returns only when no call into the old receiver is under way.
  virtual void attach(CharReceiver* receiver) = 0;
  // False while the host takes no more; write() then still takes a few bytes, later loses them. [any-thread]
  virtual bool can_write() = 0;
  virtual void write(std::span<const u8> bytes) = 0;  // buffered; on its way within a few milliseconds
  virtual void input_wanted() = 0;                    // room() has grown
  virtual void flush() = 0;                           // returns when all is with the host, or can't get there
};

struct CharOptions {
  std::function<void()> on_escape;  // stdio on a terminal: Ctrl-] was typed
};

// spec: null, stdio, pty, file:PATH, unix:PATH (a listening socket). A terminal is in raw mode while it is
// open.
Result<std::unique_ptr<CharBackend>> open_char_backend(std::string_view spec, CharOptions options = {});

}  // namespace tandem::devices
