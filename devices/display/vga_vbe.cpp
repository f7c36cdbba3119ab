// Bochs' VBE DISPI registers, by which drivers set linear modes.
#include <algorithm>

#include "devices/display/render.h"
#include "devices/display/vga.h"

namespace tandem::devices {

void Vga::vbe_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  const bool read = access.dir == bus::IoDir::Read, index = access.offset == 0;
  if (access.size != 2) {
    if (read) access.value = 0xff;
    return;
  }
  if (index) {
    if (read) access.value = state_.vbe_index;
    else state_.vbe_index = static_cast<u16>(access.value);
  } else if (read) {
    access.value = read_vbe(state_.vbe_index);
  } else {
    write_vbe(state_.vbe_index, static_cast<u16>(access.value));
  }
}

u16 Vga::read_vbe(unsigned index) const {
  const auto& vbe = state_.vbe;
  if (index >= kVbeCount) return 0;
  if (index == kVbeMemory) return static_cast<u16>(video_.size / (64 * KiB));
  if (vbe[kVbeEnable] & kVbeGetCaps) {
    if (index == kVbeWidth) return kVbeMaxWidth;
    if (index == kVbeHeight) return kVbeMaxHeight;
    if (index == kVbeDepth) return kVbeMaxDepth;
  }
  if (!state_.vbe_on()) return vbe[index];
  const VbeGeometry g = vbe_geometry(state_);
  if (index == kVbeVirtualWidth) return static_cast<u16>(g.virtual_width);
  if (index == kVbeVirtualHeight)
    return static_cast<u16>(std::min<u64>(video_.size / std::max(g.line_bytes, 1u), 0xffff));
  return vbe[index];
}

void Vga::write_vbe(unsigned index, u16 value) {
  auto& vbe = state_.vbe;
  switch (index) {
    case kVbeId:
      if (value >= kOldestVbe && value <= kNewestVbe) vbe[index] = value;
      break;
    case kVbeWidth: vbe[index] = std::min(value, kVbeMaxWidth); break;
    case kVbeHeight: vbe[index] = std::min(value, kVbeMaxHeight); break;
    case kVbeDepth:
      if (value == 0) value = 8;
      if (std::ranges::find(kVbeDepths, value) != std::end(kVbeDepths)) vbe[index] = value;
      break;
    case kVbeEnable: enable_vbe(value); break;
    case kVbeBank:
      if (u64{value} * 64 * KiB < video_.size) vbe[index] = value;
      break;
    case kVbeVirtualWidth:
    case kVbeX:
    case kVbeY: vbe[index] = value; break;
    default: break;
  }
}

void Vga::enable_vbe(u16 value) {
  auto& vbe = state_.vbe;
  const bool was_on = state_.vbe_on();
  vbe[kVbeEnable] = value;
  if (!(value & kVbeEnabled)) {
    vbe[kVbeBank] = 0;
    return;
  }
  if (was_on) return;
  vbe[kVbeVirtualWidth] = vbe[kVbeWidth];
  vbe[kVbeX] = vbe[kVbeY] = vbe[kVbeBank] = 0;
  // The window at A0000h is one of 64 KiB from now on, and linear for packed pixels.
  state_.gfx[kGfxMisc] = static_cast<u8>((state_.gfx[kGfxMisc] & ~0x0c) | 0x04 | kGfxGraphics);
  state_.seq[kSeqPlanes] = 0x0f;
  if (vbe[kVbeDepth] > 4) state_.seq[kSeqMemory] |= kSeqChain4;
  if (value & kVbeNoClear) return;
  const VbeGeometry g = vbe_geometry(state_);
  const u64 bytes = std::min<u64>(video_.size, u64{g.line_bytes} * g.height);
  std::fill_n(video_bytes_, bytes, u8{0});
  memory_.written_at(video_.offset, bytes);
}

}  // namespace tandem::devices
