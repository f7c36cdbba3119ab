// Display: an adapter as those see it who show its picture: a window, a remote viewer, a file.
#pragma once

#include <memory>

#include "devices/display/picture.h"

namespace tandem::devices {

// What one who looks again and again has seen. Belongs to one thread.
class DisplayView {
 public:
  virtual ~DisplayView() = default;
  // Brings picture() up to date. Gives the rows that have changed in it, from the top: all, where its size
  // has. blink_shown: the phase in which the cursor and blinking text are seen.
  virtual std::vector<Rows> refresh(bool blink_shown) = 0;
  const Picture& picture() const { return picture_; }

 protected:
  Picture picture_;
};

class Display {
 public:
  virtual ~Display() = default;
  // The whole picture as it is now. [any-thread]
  virtual Picture picture(bool blink_shown = true) const = 0;
  // The display outlives it. [any-thread]
  virtual std::unique_ptr<DisplayView> open_view() const = 0;
  // Who looks at it would like this size, in pixels. False: modes are the guest's alone. [any-thread]
  virtual bool want_size(u32 /*width*/, u32 /*height*/) { return false; }
};

}  // namespace tandem::devices
