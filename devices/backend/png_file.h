// PngFile: keeps the last picture shown as a PNG file.
#pragma once

#include <string>

#include "devices/display/display_sink.h"

namespace tandem::devices {

class PngFile final : public DisplaySink {
 public:
  explicit PngFile(std::string path) : path_(std::move(path)) {}
  // The file is there whole, or as it was.
  Result<void> show(const Picture& image) { return show(image, {}); }
  Result<void> show(const Picture& image, std::span<const Rows> changed) override;

 private:
  std::string path_;
};

}  // namespace tandem::devices
