#include "devices/display/render.h"

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::devices {

namespace {

// Six bits become eight so that white is white.
u8 widened(u8 six) { return static_cast<u8>((six & 0x3f) << 2 | (six & 1) << 1 | (six & 1)); }

}  // namespace

Palette::Palette(const VgaState& s) {
  const bool wide = s.vbe_on() && (s.vbe[kVbeEnable] & kVbe8BitDac);
  for (unsigned i = 0; i < 256; ++i) {
    const u8* c = &s.dac[3u * (i & s.dac_mask)];
    dac_[i] = wide ? Rgb{c[0], c[1], c[2]} : Rgb{widened(c[0]), widened(c[1]), widened(c[2])};
  }
  const u8 select = s.attr[kAttrColorSelect];
  for (unsigned i = 0; i < 16; ++i) {
    const u8 own = s.attr[i & s.attr[kAttrPlanes]];
    attributes_[i] = dac_[s.attr[kAttrMode] & kAttrColorBits54 ? (select & 15) << 4 | (own & 15)
                                                               : (select & 12) << 4 | (own & 0x3f)];
  }
}

Raster raster(const VgaState& s) {
  const auto& c = s.crtc;
  const u8 over = c[kCrtcOverflow], scan = c[kCrtcMaxScan];
  return {
      .characters = c[kCrtcWidth] + 1u,
      .lines = (c[kCrtcHeight] | (over & 0x02u) << 7 | (over & 0x40u) << 3) + 1u,
      .line_bytes = c[kCrtcOffset] * 8u,
      .start = (c[kCrtcStartHigh] << 8u | c[kCrtcStartLow]) * 4u,
      .line_compare = c[kCrtcLineCompare] | (over & 0x10u) << 4 | (scan & 0x40u) << 3,
      .row_lines = (scan & 0x1fu) + 1,
      .double_scan = (scan & 0x80) != 0,
      .half_clock = (s.seq[kSeqClocking] & kSeqHalfClock) != 0,
  };
}

VbeGeometry vbe_geometry(const VgaState& s) {
  VbeGeometry g{};
  g.width = std::clamp<u32>(s.vbe[kVbeWidth] & ~7u, 8, kVbeMaxWidth);
  g.height = std::clamp<u32>(s.vbe[kVbeHeight], 1, kVbeMaxHeight);
  const bool known = std::ranges::find(kVbeDepths, s.vbe[kVbeDepth]) != std::end(kVbeDepths);
  g.depth = known ? s.vbe[kVbeDepth] : 8;
  g.virtual_width = std::max<u32>(s.vbe[kVbeVirtualWidth] & ~7u, g.width);
  g.line_bytes = g.virtual_width * g.bits_per_pixel() / 8;
  g.start = u64{s.vbe[kVbeY]} * g.line_bytes + u64{s.vbe[kVbeX]} * g.bits_per_pixel() / 8;
  return g;
}

bool is_dark(const VgaState& s) {
  return !(s.attr_index & kAttrVideoOn) || (s.seq[kSeqClocking] & kSeqScreenOff);
}

Picture render(const Screen& screen) {
  const VgaState& s = screen.state;
  Picture image = s.vbe_on()                       ? render_vbe(screen)
                  : s.gfx[kGfxMisc] & kGfxGraphics ? render_graphics(screen)
                                                   : render_text(screen);
  if (is_dark(s)) std::fill(image.pixels.begin(), image.pixels.end(), Rgb{});
  return image;
}

}  // namespace tandem::devices
