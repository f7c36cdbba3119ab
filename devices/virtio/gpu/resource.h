// A picture that the driver has the device keep, and the guest memory that it comes from.
#pragma once

#include <map>
#include <vector>

#include "core/mem/guest_memory.h"
#include "core/snapshot/archive.h"
#include "devices/display/picture.h"
#include "devices/virtio/gpu/protocol.h"

namespace tandem::devices::virtio::gpu {

class Resource {
 public:
  Resource() = default;
  Resource(u32 format, u32 width, u32 height)
      : format_(format), width_(width), height_(height), pixels_(size(width, height)) {}
  static bool known_format(u32 format);
  static u64 size(u32 width, u32 height) { return u64{width} * height * kPixelBytes; }

  u32 width() const { return width_; }
  u32 height() const { return height_; }
  u64 bytes() const { return pixels_.size(); }
  bool has_backing() const { return !backing_.empty(); }
  void attach(std::vector<BackingEntry> backing);
  void detach() { attach({}); }
  // 5.7.6.8: a rectangle of the backing, whose rows are as long as the picture's. False: it is not inside one
  // of the two, or not RAM.
  bool transfer(const mem::GuestMemory& memory, const Rect& rect, u64 offset);

  // Becomes one without rows, of this width and another's format; then rows of that one are added below each
  // other, from x on.
  void begin(const Resource& like, u32 width);
  void add_row(const Resource& from, u32 x, u32 y);

  Rgb pixel(u32 x, u32 y) const;
  void copy_row(u32 x, u32 y, u32 count, Rgb* out) const;
  u8 alpha(u32 x, u32 y) const;

  void save(snapshot::StateWriter& writer) const;
  // Rejects what is none, or larger than `limit` bytes.
  void load(snapshot::StateReader& reader, u64 limit);

 private:
  bool read_backing(const mem::GuestMemory& memory, u64 offset, std::span<u8> to) const;
  const u8* at(u32 x, u32 y) const { return &pixels_[(u64{y} * width_ + x) * kPixelBytes]; }

  u32 format_ = 0, width_ = 0, height_ = 0;
  std::vector<u8> pixels_;
  std::vector<BackingEntry> backing_;
  std::vector<u64> ends_;  // of each entry, as an offset into the backing
};

using Resources = std::map<u32, Resource>;

}  // namespace tandem::devices::virtio::gpu
