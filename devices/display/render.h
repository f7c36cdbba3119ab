// From the adapter's state and its memory to the picture on the screen: pure functions, by family of modes.
#pragma once

#include <span>

#include "devices/display/picture.h"
#include "devices/display/vga_state.h"

namespace tandem::devices {

struct Screen {
  const VgaState& state;
  std::span<const u8> memory;
  bool blink_shown = true;
};

Picture render(const Screen& screen);

Picture render_text(const Screen& screen);
Picture render_graphics(const Screen& screen);  // planar, CGA and 256-colour modes of the VGA
Picture render_vbe(const Screen& screen);

// How a VBE mode lies in memory, from registers that may hold anything.
struct VbeGeometry {
  u32 width, height, depth;
  u32 virtual_width;
  u32 line_bytes;
  u64 start;
  u32 bits_per_pixel() const { return depth == 15 ? 16 : depth; }
};
VbeGeometry vbe_geometry(const VgaState& state);

// The colours that numbers stand for.
class Palette {
 public:
  explicit Palette(const VgaState& state);
  Rgb dac(u8 index) const { return dac_[index]; }
  Rgb attribute(unsigned index) const { return attributes_[index & 15]; }

 private:
  std::array<Rgb, 256> dac_;
  std::array<Rgb, 16> attributes_;
};

// The bytes of video memory that row y is made of, as far as they are there.
std::span<const u8> vbe_line(const VbeGeometry& geometry, std::span<const u8> memory, u32 y);
// A row from them. What lies behind the memory's end is black.
void render_vbe_line(const VbeGeometry& geometry, const Palette& palette, std::span<const u8> line, Rgb* out);

// Nothing is shown, whatever the mode: the screen or the palette is off.
bool is_dark(const VgaState& state);

// What text and graphics have in common: the CRT controller's counters.
struct Raster {
  u32 characters, lines;  // shown
  u32 line_bytes;         // of video memory from one row to the next
  u32 start;
  u32 line_compare;  // the line behind which memory is shown from its start
  u32 row_lines;     // scan lines a row
  bool double_scan;
  bool half_clock;  // each dot twice
};
Raster raster(const VgaState& state);

// Legacy modes see the first 256 KiB, around and around.
inline u8 video_byte(std::span<const u8> memory, u64 at) {
  constexpr u64 kPlanes = 256 * KiB;
  at &= kPlanes - 1;
  return at < memory.size() ? memory[at] : 0;
}

}  // namespace tandem::devices
