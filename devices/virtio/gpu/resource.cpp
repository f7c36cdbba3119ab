#include "devices/virtio/gpu/resource.h"

#include <algorithm>

namespace tandem::devices::virtio::gpu {

namespace {

// Which byte of a pixel is red, green, blue, alpha.
struct Layout {
  u32 format;
  u8 red, green, blue, alpha;
};
constexpr Layout kLayouts[] = {
    {kB8G8R8A8, 2, 1, 0, 3}, {kB8G8R8X8, 2, 1, 0, 3}, {kA8R8G8B8, 1, 2, 3, 0}, {kX8R8G8B8, 1, 2, 3, 0},
    {kR8G8B8A8, 0, 1, 2, 3}, {kX8B8G8R8, 3, 2, 1, 0}, {kA8B8G8R8, 3, 2, 1, 0}, {kR8G8B8X8, 0, 1, 2, 3},
};

const Layout* find_layout(u32 format) {
  const auto* const found = std::ranges::find(kLayouts, format, &Layout::format);
  return found == std::end(kLayouts) ? nullptr : found;
}

}  // namespace

bool Resource::known_format(u32 format) { return find_layout(format); }

void Resource::attach(std::vector<BackingEntry> backing) {
  backing_ = std::move(backing);
  ends_.clear();
  u64 end = 0;
  for (const BackingEntry& e : backing_) ends_.push_back(end += e.length);
}

void Resource::save(snapshot::StateWriter& writer) const {
  writer(format_, width_, height_, backing_);
  writer.bytes(pixels_);
}

void Resource::load(snapshot::StateReader& reader, u64 limit) {
  std::vector<BackingEntry> backing;
  reader(format_, width_, height_, backing);
  const bool good = known_format(format_) && size(width_, height_) <= limit;
  reader.check(good, "a picture");
  pixels_.resize(good ? size(width_, height_) : 0);
  reader.bytes(pixels_);
  attach(std::move(backing));
}

bool Resource::transfer(const mem::GuestMemory& memory, const Rect& r, u64 offset) {
  if (!r.inside(width_, height_)) return false;
  const u64 line = u64{width_} * kPixelBytes, length = u64{r.width} * kPixelBytes;
  const u64 backed = ends_.empty() ? 0 : ends_.back();
  if (r.height == 0 || length == 0) return true;
  if (offset > backed || line * (r.height - 1) + length > backed - offset) return false;
  const bool whole_rows = length == line;
  for (u32 row = 0; row < r.height; row = whole_rows ? r.height : row + 1) {
    u8* const to = &pixels_[(u64{r.y} + row) * line + r.x * kPixelBytes];
    if (!read_backing(memory, offset + row * line, {to, whole_rows ? length * r.height : length}))
      return false;
  }
  return true;
}

bool Resource::read_backing(const mem::GuestMemory& memory, u64 offset, std::span<u8> to) const {
  auto entry = static_cast<std::size_t>(std::ranges::upper_bound(ends_, offset) - ends_.begin());
  while (!to.empty()) {
    const BackingEntry& e = backing_[entry];
    const u64 skip = offset - (ends_[entry] - e.length);
    const u64 n = std::min<u64>(to.size(), e.length - skip);
    if (e.address + skip < e.address || !memory.read(Gpa{e.address + skip}, to.first(n))) return false;
    to = to.subspan(n);
    offset = ends_[entry++];
  }
  return true;
}

void Resource::begin(const Resource& like, u32 width) {
  format_ = like.format_;
  width_ = width;
  height_ = 0;
  pixels_.clear();
}

void Resource::add_row(const Resource& from, u32 x, u32 y) {
  const u8* const first = from.at(x, y);
  pixels_.insert(pixels_.end(), first, first + u64{width_} * kPixelBytes);
  ++height_;
}

Rgb Resource::pixel(u32 x, u32 y) const {
  Rgb color;
  copy_row(x, y, 1, &color);
  return color;
}

void Resource::copy_row(u32 x, u32 y, u32 count, Rgb* out) const {
  const Layout l = *find_layout(format_);
  const u8* from = at(x, y);
  for (u32 i = 0; i < count; ++i, from += kPixelBytes) out[i] = {from[l.red], from[l.green], from[l.blue]};
}

u8 Resource::alpha(u32 x, u32 y) const { return at(x, y)[find_layout(format_)->alpha]; }

}  // namespace tandem::devices::virtio::gpu
