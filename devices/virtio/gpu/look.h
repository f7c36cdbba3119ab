// A look at a screen: what has changed, copied as it is, so that it can be drawn while the screen goes on.
#pragma once

#include "devices/virtio/gpu/resource.h"

namespace tandem::devices::virtio::gpu {

struct Look {
  u32 width = 0, height = 0;
  bool all = false;       // the size is another than before
  std::vector<u32> rows;  // that have changed, from the top
  bool dark = true;
  Resource shown;   // these rows, one below another, unless it is dark
  Resource cursor;  // as far as it lies on the screen
  u32 cursor_x = 0, cursor_y = 0;

  // Brings a picture up to date; gives the rows that changed.
  std::vector<Rows> draw(Picture& picture) const;

 private:
  void draw_cursor(u32 y, Rgb* out) const;
};

}  // namespace tandem::devices::virtio::gpu
