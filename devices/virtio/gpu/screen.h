// The screen of a virtio-gpu: which part of which resource it shows, the cursor over it, and which rows have
// changed since when.
#pragma once

#include <vector>

#include "devices/virtio/gpu/look.h"

namespace tandem::devices::virtio::gpu {

struct Scanout {
  Rect rect;         // of the resource
  u32 resource = 0;  // 0: dark
  static void fields(auto& a, auto& s) { a(s.rect, s.resource); }
};

struct Cursor {
  u32 resource = 0;  // 0: none
  u32 x = 0, y = 0, hot_x = 0, hot_y = 0;
  static void fields(auto& a, auto& s) { a(s.resource, s.x, s.y, s.hot_x, s.hot_y); }
};

class Screen {
 public:
  explicit Screen(const Resources& resources) : resources_(resources) {}

  const Scanout& scanout() const { return scanout_; }
  const Cursor& cursor() const { return cursor_; }
  // Both must be there, or 0; `dark_width`, `dark_height`: how large it is where nothing is shown.
  void show(const Scanout& scanout, u32 dark_width, u32 dark_height);
  void point(const Cursor& cursor);
  // These rows of the resource are others now.
  void damage(u32 resource, const Rect& rect);
  void forget(u32 resource);

  // What is to be drawn in a picture that showed what was at `seen` (0: nothing yet).
  void look(Look& look, u64& seen) const;

 private:
  void mark(i64 first, i64 count);
  void mark_cursor();
  void copy_cursor(Look& look) const;
  const Resource* find(u32 resource) const;

  const Resources& resources_;
  Scanout scanout_;
  Cursor cursor_;
  u32 width_ = 0, height_ = 0;
  u64 now_ = 1, resized_ = 1;  // counts changes; when the size was the last one of them
  std::vector<u64> changed_;   // of each row: when
};

}  // namespace tandem::devices::virtio::gpu
