#include "devices/virtio/gpu/screen.h"

#include <algorithm>

#include "devices/display/changed_rows.h"

namespace tandem::devices::virtio::gpu {

const Resource* Screen::find(u32 resource) const {
  const auto found = resources_.find(resource);
  return found == resources_.end() ? nullptr : &found->second;
}

void Screen::mark(i64 first, i64 count) {
  const i64 begin = std::clamp<i64>(first, 0, height_), end = std::clamp<i64>(first + count, 0, height_);
  ++now_;
  std::fill(changed_.begin() + begin, changed_.begin() + end, now_);
}

void Screen::show(const Scanout& scanout, u32 dark_width, u32 dark_height) {
  scanout_ = scanout;
  const u32 width = scanout.resource ? scanout.rect.width : dark_width;
  const u32 height = scanout.resource ? scanout.rect.height : dark_height;
  if (width != width_ || height != height_) {
    width_ = width;
    height_ = height;
    changed_.assign(height, 0);
    resized_ = ++now_;
  }
  mark(0, height);
}

void Screen::mark_cursor() {
  if (const Resource* image = find(cursor_.resource)) mark(i64{cursor_.y} - cursor_.hot_y, image->height());
}

void Screen::point(const Cursor& cursor) {
  mark_cursor();
  cursor_ = cursor;
  mark_cursor();
}

void Screen::damage(u32 resource, const Rect& r) {
  if (resource == scanout_.resource) mark(i64{r.y} - scanout_.rect.y, r.height);
}

void Screen::forget(u32 resource) {
  if (resource == cursor_.resource) point({});
  if (resource == scanout_.resource) show({}, width_, height_);
}

void Screen::draw_row(u32 y, Rgb* out) const {
  const Resource* const shown = find(scanout_.resource);
  if (!shown) return std::fill_n(out, width_, Rgb{}), void();
  shown->copy_row(scanout_.rect.x, scanout_.rect.y + y, width_, out);
  draw_cursor(y, out);
}

// Its colours are multiplied by their alpha already.
void Screen::draw_cursor(u32 y, Rgb* out) const {
  const Resource* const image = find(cursor_.resource);
  if (!image) return;
  const i64 row = i64{y} - (i64{cursor_.y} - cursor_.hot_y), left = i64{cursor_.x} - cursor_.hot_x;
  if (row < 0 || row >= image->height()) return;
  const auto over = [](u8 top, u8 below, u8 alpha) {
    return static_cast<u8>(std::min(top + below * (255 - alpha) / 255, 255));
  };
  for (u32 x = 0; x < image->width(); ++x) {
    const i64 at = left + x;
    if (at < 0 || at >= width_) continue;
    const Rgb c = image->pixel(x, static_cast<u32>(row));
    const u8 alpha = image->alpha(x, static_cast<u32>(row));
    Rgb& below = out[at];
    below = {over(c.red, below.red, alpha), over(c.green, below.green, alpha),
             over(c.blue, below.blue, alpha)};
  }
}

std::vector<Rows> Screen::refresh(Picture& picture, u64& seen) const {
  if (seen < resized_) picture = Picture(width_, height_);
  std::vector<Rows> rows;
  for (u32 y = 0; y < height_; ++y) {
    if (seen >= resized_ && changed_[y] <= seen) continue;
    draw_row(y, picture.row(y));
    add_row(rows, y);
  }
  seen = now_;
  return rows;
}

}  // namespace tandem::devices::virtio::gpu
