#include "devices/virtio/gpu/look.h"

#include <algorithm>

#include "devices/display/changed_rows.h"

namespace tandem::devices::virtio::gpu {

std::vector<Rows> Look::draw(Picture& picture) const {
  if (all) picture = Picture(width, height);
  std::vector<Rows> changed;
  for (u32 i = 0; i < rows.size(); ++i) {
    Rgb* const out = picture.row(rows[i]);
    if (dark) {
      std::fill_n(out, width, Rgb{});
    } else {
      shown.copy_row(0, i, width, out);
      draw_cursor(rows[i], out);
    }
    add_row(changed, rows[i]);
  }
  return changed;
}

// Its colours are multiplied by their alpha already.
void Look::draw_cursor(u32 y, Rgb* out) const {
  if (y < cursor_y || y - cursor_y >= cursor.height()) return;
  const auto over = [](u8 top, u8 below, u8 alpha) {
    return static_cast<u8>(std::min(top + below * (255 - alpha) / 255, 255));
  };
  for (u32 x = 0; x < cursor.width(); ++x) {
    const Rgb c = cursor.pixel(x, y - cursor_y);
    const u8 alpha = cursor.alpha(x, y - cursor_y);
    Rgb& below = out[cursor_x + x];
    below = {over(c.red, below.red, alpha), over(c.green, below.green, alpha),
             over(c.blue, below.blue, alpha)};
  }
}

}  // namespace tandem::devices::virtio::gpu
