// Modes of the VBE extension: packed pixels, and 16 colours in planes. What lies behind the memory's end is
// black.
#include "core/base/bits.h"
#include "devices/display/render.h"

namespace tandem::devices {

namespace {

u8 from_five(u32 v) { return static_cast<u8>((v & 31) << 3 | (v & 31) >> 2); }
u8 from_six(u32 v) { return static_cast<u8>((v & 63) << 2 | (v & 63) >> 4); }

Rgb pixel(const u8* at, u32 depth, const Palette& palette) {
  switch (depth) {
    case 8: return palette.dac(*at);
    case 15: {
      const u32 v = load_le<u16>(at);
      return {from_five(v >> 10), from_five(v >> 5), from_five(v)};
    }
    case 16: {
      const u32 v = load_le<u16>(at);
      return {from_five(v >> 11), from_six(v >> 5), from_five(v)};
    }
    default: return {at[2], at[1], at[0]};
  }
}

// Eight dots of four planes lie in four bytes.
Rgb planar_pixel(std::span<const u8> memory, u64 line, u32 x, const Palette& palette) {
  const u64 at = line + x / 8 * 4;
  unsigned index = 0;
  for (unsigned plane = 0; plane < 4 && at + plane < memory.size(); ++plane)
    index |= (memory[at + plane] >> (7 - x % 8) & 1u) << plane;
  return palette.attribute(index);
}

}  // namespace

Picture render_vbe(const Screen& screen) {
  const VbeGeometry g = vbe_geometry(screen.state);
  const Palette palette(screen.state);
  const u32 bytes = (g.depth + 7) / 8;
  Picture image(g.width, g.height);
  for (u32 y = 0; y < g.height; ++y) {
    const u64 line = g.start + u64{y} * g.line_bytes;
    Rgb* const out = image.row(y);
    for (u32 x = 0; x < g.width; ++x) {
      if (g.depth == 4) out[x] = planar_pixel(screen.memory, line, x, palette);
      else if (const u64 at = line + u64{x} * bytes; at + bytes <= screen.memory.size())
        out[x] = pixel(&screen.memory[at], g.depth, palette);
    }
  }
  return image;
}

}  // namespace tandem::devices
