// Modes of the VBE extension: packed pixels, and 16 colours in planes. What lies behind the memory's end is
// black.
#include <algorithm>

#include "core/base/bits.h"
#include "devices/display/render.h"

namespace tandem::devices {

namespace {

u8 from_five(u32 v) { return static_cast<u8>((v & 31) << 3 | (v & 31) >> 2); }
u8 from_six(u32 v) { return static_cast<u8>((v & 63) << 2 | (v & 63) >> 4); }

Rgb from_555(const u8* at) {
  const u32 v = load_le<u16>(at);
  return {from_five(v >> 10), from_five(v >> 5), from_five(v)};
}
Rgb from_565(const u8* at) {
  const u32 v = load_le<u16>(at);
  return {from_five(v >> 11), from_six(v >> 5), from_five(v)};
}
Rgb from_bgr(const u8* at) { return {at[2], at[1], at[0]}; }

// Pixels of so many bytes each, as far as the line goes.
template <u32 bytes, class F>
void draw_pixels(std::span<const u8> line, u32 width, Rgb* out, F color) {
  const u32 there = std::min<u32>(width, static_cast<u32>(line.size() / bytes));
  for (u32 x = 0; x < there; ++x) out[x] = color(&line[u64{x} * bytes]);
  std::fill(out + there, out + width, Rgb{});
}

// Eight dots of four planes lie in four bytes.
void draw_planes(std::span<const u8> line, u32 width, const Palette& palette, Rgb* out) {
  for (u32 x = 0; x < width; ++x) {
    const u64 at = x / 8 * 4;
    unsigned index = 0;
    for (unsigned plane = 0; plane < 4 && at + plane < line.size(); ++plane)
      index |= (line[at + plane] >> (7 - x % 8) & 1u) << plane;
    out[x] = palette.attribute(index);
  }
}

}  // namespace

std::span<const u8> vbe_line(const VbeGeometry& g, std::span<const u8> memory, u32 y) {
  const u64 start = std::min<u64>(g.start + u64{y} * g.line_bytes, memory.size());
  const u64 length = u64{g.width} * g.bits_per_pixel() / 8;
  return memory.subspan(start, std::min(length, memory.size() - start));
}

void render_vbe_line(const VbeGeometry& g, const Palette& palette, std::span<const u8> line, Rgb* out) {
  const auto indexed = [&](const u8* at) { return palette.dac(*at); };
  switch (g.depth) {
    case 4: return draw_planes(line, g.width, palette, out);
    case 8: return draw_pixels<1>(line, g.width, out, indexed);
    case 15: return draw_pixels<2>(line, g.width, out, from_555);
    case 16: return draw_pixels<2>(line, g.width, out, from_565);
    case 24: return draw_pixels<3>(line, g.width, out, from_bgr);
    default: return draw_pixels<4>(line, g.width, out, from_bgr);
  }
}

Picture render_vbe(const Screen& screen) {
  const VbeGeometry g = vbe_geometry(screen.state);
  const Palette palette(screen.state);
  Picture image(g.width, g.height);
  for (u32 y = 0; y < g.height; ++y) render_vbe_line(g, palette, vbe_line(g, screen.memory, y), image.row(y));
  return image;
}

}  // namespace tandem::devices
