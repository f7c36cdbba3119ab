// VncKeyboard: a viewer's keys as the guest's. Viewers name characters (X keysyms); the guest is taken to
// have a US keyboard, and Shift is pressed or let go where the character needs it. Of one thread.
#pragma once

#include "devices/input/key_queue.h"

namespace tandem::devices {

class VncKeyboard {
 public:
  explicit VncKeyboard(InputSink& input) : keys_(input) {}

  void keysym(u32 keysym, bool pressed);
  // The QEMU extension's, which says places: a code of set 1, the high bit for E0h.
  void scan_code(u32 code, u32 keysym, bool pressed);
  void release_all() { keys_.release_all(); }
  void send_waiting() { keys_.send_waiting(); }

 private:
  void character(u16 key, bool needs_shift);
  void send(u16 key, bool pressed);

  KeyQueue keys_;
  bool caps_lock_ = false;
};

}  // namespace tandem::devices
