// DisplaySink: where pictures of the guest's display go: a window, a remote viewer, a file.
#pragma once

#include "core/base/result.h"
#include "devices/display/picture.h"

namespace tandem::devices {

class DisplaySink {
 public:
  virtual ~DisplaySink() = default;
  // The whole picture as it is now. One thread at a time.
  virtual Result<void> show(const Picture& image) = 0;
};

}  // namespace tandem::devices
