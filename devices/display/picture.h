// A picture: rows from the top, three bytes (red, green, blue) a pixel.
#pragma once

#include <vector>

#include "core/base/types.h"

namespace tandem::devices {

struct Rgb {
  u8 red = 0, green = 0, blue = 0;
  bool operator==(const Rgb&) const = default;
};

struct Picture {
  u32 width = 0, height = 0;
  std::vector<Rgb> pixels;

  Picture() = default;
  Picture(u32 w, u32 h) : width(w), height(h), pixels(u64{w} * h) {}
  Rgb* row(u32 y) { return pixels.data() + u64{y} * width; }
  const Rgb* row(u32 y) const { return pixels.data() + u64{y} * width; }
  bool operator==(const Picture&) const = default;
};

// `count` rows from `first` on.
struct Rows {
  u32 first = 0, count = 0;
  bool operator==(const Rows&) const = default;
};

}  // namespace tandem::devices
