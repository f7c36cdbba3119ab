// InputSink: where key presses and the pointer's movements go: to a keyboard, a mouse, a tablet of the guest.
#pragma once

#include "core/base/types.h"

namespace tandem::devices {

enum class PointerButton : u8 { Left, Right, Middle };

// [any-thread] Never blocks.
class InputSink {
 public:
  virtual ~InputSink() = default;
  // A key by its place on the keyboard: the code of linux/input-event-codes.h (KEY_A = 30). A key that is
  // held is pressed again and again.
  virtual bool key(u16 code, bool pressed) = 0;
  virtual void button(PointerButton button, bool pressed) = 0;
  // Of a mouse, which loses what it has no room for: to the right, downwards, and notches of the wheel away
  // from the user.
  virtual void move(i32 right, i32 down, i32 wheel) = 0;
  // Of a tablet: a place on the screen, 0..kPointerRange in each direction.
  virtual void point(u32 x, u32 y) = 0;
  // Whether the guest uses a tablet; without one, point() does nothing.
  virtual bool takes_points() const = 0;

  static constexpr u32 kPointerRange = 0x7fff;
};

}  // namespace tandem::devices
