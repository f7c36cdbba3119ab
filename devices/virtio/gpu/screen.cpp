#include "devices/virtio/gpu/screen.h"

#include <algorithm>

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

void Screen::look(Look& look, u64& seen) const {
  look.width = width_;
  look.height = height_;
  look.all = seen < resized_;
  look.rows.clear();
  for (u32 y = 0; y < height_; ++y)
    if (look.all || changed_[y] > seen) look.rows.push_back(y);
  seen = now_;
  const Resource* const shown = find(scanout_.resource);
  look.dark = !shown;
  if (!shown || look.rows.empty()) return;
  look.shown.begin(*shown, width_);
  for (const u32 y : look.rows) look.shown.add_row(*shown, scanout_.rect.x, scanout_.rect.y + y);
  copy_cursor(look);
}

void Screen::copy_cursor(Look& look) const {
  look.cursor = {};
  const Resource* const image = find(cursor_.resource);
  if (!image) return;
  const i64 left = i64{cursor_.x} - cursor_.hot_x, top = i64{cursor_.y} - cursor_.hot_y;
  const i64 x = std::max<i64>(-left, 0), end_x = std::min<i64>(image->width(), width_ - left);
  const i64 y = std::max<i64>(-top, 0), end_y = std::min<i64>(image->height(), height_ - top);
  if (x >= end_x || y >= end_y) return;
  look.cursor_x = static_cast<u32>(left + x);
  look.cursor_y = static_cast<u32>(top + y);
  look.cursor.begin(*image, static_cast<u32>(end_x - x));
  for (i64 row = y; row < end_y; ++row)
    look.cursor.add_row(*image, static_cast<u32>(x), static_cast<u32>(row));
}

}  // namespace tandem::devices::virtio::gpu
