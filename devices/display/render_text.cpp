// Text modes: plane 0 has characters, plane 1 attributes, plane 2 fonts (FreeVGA, "VGA text mode operation").
#include <utility>

#include "devices/display/render.h"

namespace tandem::devices {

namespace {

constexpr u32 kFont = 8192, kGlyph = 32;  // addresses of plane 2
constexpr u8 kCursorOff = 0x20, kIntense = 0x08, kBlinks = 0x80;

struct Cursor {
  u32 cell, first, last;  // byte of video memory, lines of the row
  bool on;
};

class TextScreen {
 public:
  explicit TextScreen(const Screen& screen)
      : screen_(screen),
        state_(screen.state),
        raster_(raster(screen.state)),
        palette_(screen.state),
        dots_(state_.seq[kSeqClocking] & kSeqNineDots ? 8 : 9) {
    const u8 select = state_.seq[kSeqFonts];
    fonts_[0] = font((select & 3u) | (select >> 4 & 1u) << 2);
    fonts_[1] = font((select >> 2 & 3u) | (select >> 5 & 1u) << 2);
    const auto& c = state_.crtc;
    cursor_ = {(c[kCrtcCursorHigh] << 8u | c[kCrtcCursorLow]) * 4u, c[kCrtcCursorStart] & 0x1fu,
               c[kCrtcCursorEnd] & 0x1fu, !(c[kCrtcCursorStart] & kCursorOff) && screen.blink_shown};
  }

  Picture draw() {
    const u32 scale = raster_.half_clock ? 2 : 1;
    Picture image(raster_.characters * dots_ * scale, raster_.lines);
    std::vector<Rgb> line((raster_.characters + 1) * dots_);
    u32 row = raster_.start, scan = state_.crtc[kCrtcPresetRow] & 0x1f, pan = panning();
    bool repeat = raster_.double_scan;
    for (u32 y = 0; y < image.height; ++y) {
      draw_line(row, scan, line);
      Rgb* const out = image.row(y);
      for (u32 x = 0; x < image.width; ++x) out[x] = line[x / scale + pan];
      if (raster_.double_scan && std::exchange(repeat, !repeat)) continue;
      if (++scan >= raster_.row_lines) {
        scan = 0;
        row += raster_.line_bytes;
      }
      if (y == raster_.line_compare) row = scan = pan = 0;
    }
    return image;
  }

 private:
  // The order of fonts in their plane: 0, 4, 1, 5 ... in steps of 8 KiB.
  static u32 font(u32 number) { return ((number & 3) * 2 + (number >> 2)) * kFont; }

  u32 panning() const {
    const u32 p = state_.attr[kAttrPanning] & 15;
    return dots_ == 9 ? (p >= 8 ? 0 : p + 1) : p & 7;
  }

  u8 pattern(u8 character, u8 attributes, u32 scan) const {
    const u32 font = fonts_[attributes & kIntense ? 1 : 0];
    return video_byte(screen_.memory, 4 * (font + character * kGlyph + scan) + 2);
  }

  bool under_cursor(u32 cell, u32 scan) const {
    return cursor_.on && cell == cursor_.cell && scan >= cursor_.first && scan <= cursor_.last;
  }

  void draw_line(u32 row, u32 scan, std::vector<Rgb>& line) const {
    for (u32 column = 0; column <= raster_.characters; ++column)
      draw_cell(row + 4 * column, scan, &line[column * dots_]);
  }

  void draw_cell(u32 cell, u32 scan, Rgb* out) const {
    const u8 mode = state_.attr[kAttrMode];
    const u8 character = video_byte(screen_.memory, cell), attributes = video_byte(screen_.memory, cell + 1);
    u8 back = attributes >> 4, bits = pattern(character, attributes, scan);
    if (mode & kAttrBlink) {
      back &= 7;
      if ((attributes & kBlinks) && !screen_.blink_shown) bits = 0;
    }
    const bool underlined = (attributes & 0x77) == 1 && scan == (state_.crtc[kCrtcUnderline] & 0x1fu);
    if (underlined || under_cursor(cell, scan)) bits = 0xff;
    const Rgb colors[] = {palette_.attribute(back), palette_.attribute(attributes & 15)};
    for (u32 x = 0; x < 8; ++x) out[x] = colors[bits >> (7 - x) & 1];
    if (dots_ == 8) return;
    const bool joined = (mode & kAttrLineGraphics) && character >= 0xc0 && character <= 0xdf;
    const bool ninth = (joined && (bits & 1)) || underlined || under_cursor(cell, scan);
    out[8] = colors[ninth];
  }

  const Screen& screen_;
  const VgaState& state_;
  Raster raster_;
  Palette palette_;
  u32 dots_;
  u32 fonts_[2];
  Cursor cursor_;
};

}  // namespace

Picture render_text(const Screen& screen) { return TextScreen(screen).draw(); }

}  // namespace tandem::devices
