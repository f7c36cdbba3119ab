// Graphics modes of the VGA: 16 colours in planes, CGA's 4 and 2, 256 (FreeVGA, "VGA sequencer", "Shift
// register mode").
#include <utility>

#include "devices/display/render.h"

namespace tandem::devices {

namespace {

constexpr u8 kScan13 = 0x01, kScan14 = 0x02, kByteMode = 0x40, kPanningReset = 0x20;

enum class Shift : u8 { Planes, Cga, Bytes };

Shift shift_of(const VgaState& s) {
  const unsigned mode = s.gfx[kGfxMode] >> 5 & 3;
  return mode >= 2 ? Shift::Bytes : mode == 1 ? Shift::Cga : Shift::Planes;
}

// Eight dots from the four bytes of an address.
using Planes = std::array<u8, 4>;
using Dots = std::array<u8, 8>;

Dots planar_dots(const Planes& p) {
  Dots d;
  for (unsigned x = 0; x < 8; ++x) {
    const unsigned bit = 7 - x;
    d[x] = static_cast<u8>((p[0] >> bit & 1) | (p[1] >> bit & 1) << 1 | (p[2] >> bit & 1) << 2 |
                           (p[3] >> bit & 1) << 3);
  }
  return d;
}

// Two bits a dot: of planes 0 and 2 for the first four, of 1 and 3 for the rest.
Dots cga_dots(const Planes& p) {
  Dots d;
  for (unsigned x = 0; x < 8; ++x) {
    const unsigned low = x < 4 ? 0 : 1, at = 6 - 2 * (x & 3);
    d[x] = static_cast<u8>((p[low] >> at & 3) | (p[low + 2] >> at & 3) << 2);
  }
  return d;
}

Dots byte_dots(const Planes& p) { return {p[0], p[0], p[1], p[1], p[2], p[2], p[3], p[3]}; }

class GraphicsScreen {
 public:
  GraphicsScreen(const Screen& screen, const Raster& raster, std::span<const u8> memory)
      : state_(screen.state),
        memory_(memory),
        raster_(raster),
        shift_(shift_of(screen.state)),
        palette_(screen.state) {}

  Picture draw() {
    const u32 scale = raster_.half_clock && shift_ != Shift::Bytes ? 2 : 1;
    Picture image(raster_.characters * 8 * scale, raster_.lines);
    std::vector<Rgb> line((raster_.characters + 1) * 8);
    u32 row = raster_.start, scan = 0, pan = state_.attr[kAttrPanning] & 7;
    bool repeat = raster_.double_scan;
    for (u32 y = 0; y < image.height; ++y) {
      draw_line(interleaved(row, scan), line);
      Rgb* const out = image.row(y);
      for (u32 x = 0; x < image.width; ++x) out[x] = line[x / scale + pan];
      if (raster_.double_scan && std::exchange(repeat, !repeat)) continue;
      if (++scan >= raster_.row_lines) {
        scan = 0;
        row += raster_.line_bytes;
      }
      if (y != raster_.line_compare) continue;
      row = scan = 0;
      if (state_.attr[kAttrMode] & kPanningReset) pan = 0;
    }
    return image;
  }

 private:
  // CGA and Hercules keep a row's lines in two or four parts: address bits 13 and 14 come from the line. In
  // word mode these are the counter's bits 12 and 13.
  u32 interleaved(u32 row, u32 scan) const {
    const u8 mode = state_.crtc[kCrtcMode];
    const unsigned bit13 = mode & kByteMode ? 15 : 14;
    if (!(mode & kScan13)) row = (row & ~(1u << bit13)) | (scan & 1) << bit13;
    if (!(mode & kScan14)) row = (row & ~(2u << bit13)) | (scan & 2) << bit13;
    return row;
  }

  void draw_line(u32 row, std::vector<Rgb>& line) const {
    for (u32 i = 0; i * 8 < line.size(); ++i) {
      Planes p;
      for (unsigned n = 0; n < 4; ++n) p[n] = video_byte(memory_, row + 4 * i + n);
      const Dots dots = shift_ == Shift::Planes ? planar_dots(p)
                        : shift_ == Shift::Cga  ? cga_dots(p)
                                                : byte_dots(p);
      for (unsigned x = 0; x < 8; ++x)
        line[8 * i + x] = shift_ == Shift::Bytes ? palette_.dac(dots[x]) : palette_.attribute(dots[x]);
    }
  }

  const VgaState& state_;
  std::span<const u8> memory_;
  Raster raster_;
  Shift shift_;
  Palette palette_;
};

}  // namespace

Picture render_graphics(const Screen& screen) {
  return GraphicsScreen(screen, raster(screen.state), screen.memory).draw();
}

}  // namespace tandem::devices
