// Where a picture of some size stands in a window of some size.
#pragma once

#include <algorithm>

#include "core/base/types.h"

namespace tandem::frontend {

enum class Scaling : u8 {
  Fit,      // as large as it goes
  Integer,  // the same, with pixels of whole pixels where there is room
  Stretch,  // all of the window
};

struct Area {
  int x = 0, y = 0, width = 0, height = 0;
  bool operator==(const Area&) const = default;
};

// Sizes are positive.
inline Area place(Scaling scaling, int picture_width, int picture_height, int width, int height) {
  if (scaling == Scaling::Stretch) return {0, 0, width, height};
  const int whole = std::min(width / picture_width, height / picture_height);
  int w, h;
  if (scaling == Scaling::Integer && whole >= 1) {
    w = picture_width * whole;
    h = picture_height * whole;
  } else if (i64{width} * picture_height <= i64{height} * picture_width) {
    w = width;
    h = std::max(1, static_cast<int>(i64{width} * picture_height / picture_width));
  } else {
    h = height;
    w = std::max(1, static_cast<int>(i64{height} * picture_width / picture_height));
  }
  return {(width - w) / 2, (height - h) / 2, w, h};
}

}  // namespace tandem::frontend
