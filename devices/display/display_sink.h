// DisplaySink: where pictures of the guest's display go: a window, a remote viewer, a file.
#pragma once

#include <span>

#include "core/base/result.h"
#include "devices/display/picture.h"

namespace tandem::devices {

class DisplaySink {
 public:
  virtual ~DisplaySink() = default;
  // The whole picture as it is now, and which of its rows are others than the last time. One thread at a
  // time.
  virtual Result<void> show(const Picture& image, std::span<const Rows> changed) = 0;
};

}  // namespace tandem::devices
