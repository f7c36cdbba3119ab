#include "devices/display/vga_view.h"

#include <algorithm>
#include <cstring>

#include "devices/display/changed_rows.h"
#include "devices/display/render.h"
#include "devices/display/vga.h"

namespace tandem::devices {

namespace {

constexpr u64 kLegacyMemory = 256 * KiB;

// Without what makes no difference to the picture: latches, index registers.
VgaState shown_part(const VgaState& s) {
  VgaState shown;
  shown.attr_index = s.attr_index & kAttrVideoOn;
  shown.misc = s.misc;
  shown.seq = s.seq;
  shown.gfx = s.gfx;
  shown.crtc = s.crtc;
  shown.attr = s.attr;
  shown.dac_mask = s.dac_mask;
  shown.dac = s.dac;
  shown.vbe = s.vbe;
  return shown;
}

}  // namespace

std::vector<Rows> VgaView::refresh(bool blink_shown) {
  const VgaState state = shown_part(vga_.registers());
  const bool all = !picture_.width || !(state == state_);
  state_ = state;
  if (state.vbe_on() && !is_dark(state)) return refresh_lines(state, all);
  return refresh_whole(state, blink_shown, all);
}

// The guest may write meanwhile: a line is drawn from the copy that the next look compares with.
std::vector<Rows> VgaView::refresh_lines(const VgaState& state, bool all) {
  const VbeGeometry g = vbe_geometry(state);
  const Palette palette(state);
  const std::span<const u8> memory = vga_.video_memory();
  if (all) {
    picture_ = Picture(g.width, g.height);
    seen_.assign(u64{g.height} * g.width * 4, 0);
  }
  std::vector<Rows> rows;
  for (u32 y = 0; y < g.height; ++y) {
    const std::span<const u8> line = vbe_line(g, memory, y);
    u8* const seen = &seen_[u64{y} * g.width * 4];
    if (!all && std::memcmp(seen, line.data(), line.size()) == 0) continue;
    std::memcpy(seen, line.data(), line.size());
    render_vbe_line(g, palette, {seen, line.size()}, picture_.row(y));
    add_row(rows, y);
  }
  return rows;
}

std::vector<Rows> VgaView::refresh_whole(const VgaState& state, bool blink_shown, bool all) {
  const std::span<const u8> memory =
      vga_.video_memory().first(std::min<u64>(vga_.video_memory().size(), kLegacyMemory));
  const bool same_memory =
      seen_.size() == memory.size() && std::memcmp(seen_.data(), memory.data(), memory.size()) == 0;
  if (!all && same_memory && blink_shown == blink_shown_) return {};
  blink_shown_ = blink_shown;
  seen_.assign(memory.begin(), memory.end());
  Picture image = render({state, seen_, blink_shown});
  std::vector<Rows> rows;
  const bool same_size = image.width == picture_.width && image.height == picture_.height;
  for (u32 y = 0; y < image.height; ++y)
    if (!same_size || !std::equal(image.row(y), image.row(y) + image.width, picture_.row(y)))
      add_row(rows, y);
  picture_ = std::move(image);
  return rows;
}

}  // namespace tandem::devices
