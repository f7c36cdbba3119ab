// The window below 1 MiB: how the CPU's bytes go to the four planes (FreeVGA, "Accessing the VGA display
// memory"). The byte of plane p at address a is byte 4a + p of the video memory; chain 4 and VBE modes see it
// as it lies.
#include "core/base/bits.h"
#include "devices/display/vga.h"

namespace tandem::devices {

namespace {

constexpr u8 kMiscRamEnable = 0x02;

u8 rotate(u8 value, unsigned n) { return static_cast<u8>(value >> (n & 7) | value << (8 - (n & 7))); }
u8 filled(u8 planes, unsigned plane) { return planes >> plane & 1 ? 0xff : 0; }

}  // namespace

// False: the adapter doesn't answer there.
bool Vga::window_offset(u64 offset, u64& address) const {
  constexpr u64 kSizes[] = {128 * KiB, 64 * KiB, 32 * KiB, 32 * KiB}, kStarts[] = {0, 0, 64 * KiB, 96 * KiB};
  if (!(state_.misc & kMiscRamEnable)) return false;
  const unsigned map = state_.gfx[kGfxMisc] >> 2 & 3;
  address = offset - kStarts[map];
  if (address >= kSizes[map]) return false;
  if (map < 2 && state_.vbe_on()) address += u64{state_.vbe[kVbeBank]} * 64 * KiB;
  return true;
}

void Vga::window_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  for (unsigned i = 0; i < access.size; ++i) {
    if (access.dir == bus::IoDir::Read) access.value |= u64{read_window(access.offset + i)} << (8 * i);
    else write_window(access.offset + i, static_cast<u8>(access.value >> (8 * i)));
  }
}

u8 Vga::read_window(u64 offset) {
  u64 a;
  if (!window_offset(offset, a)) return 0xff;
  if (state_.seq[kSeqMemory] & kSeqChain4) return a < video_.size ? video_bytes_[a] : 0xff;
  if (!(state_.gfx[kGfxMode] & kGfxOddEven)) return read_planes(a);
  const u64 index = (a & ~u64{1}) << 1 | (state_.gfx[kGfxReadPlane] & 2) | (a & 1);
  return index < video_.size ? video_bytes_[index] : 0xff;
}

u8 Vga::read_planes(u64 address) {
  if (4 * address + 4 > video_.size) return 0xff;
  std::copy_n(video_bytes_ + 4 * address, 4, state_.latch.begin());
  if (!(state_.gfx[kGfxMode] & kGfxReadCompare)) return state_.latch[state_.gfx[kGfxReadPlane] & 3];
  u8 differs = 0;
  for (unsigned plane = 0; plane < 4; ++plane)
    differs |= static_cast<u8>((state_.latch[plane] ^ filled(state_.gfx[kGfxCompare], plane)) &
                               filled(state_.gfx[kGfxDontCare], plane));
  return static_cast<u8>(~differs);
}

void Vga::store(u64 index, u8 value) {
  if (index >= video_.size) return;
  video_bytes_[index] = value;
  memory_.written_at(video_.offset + index, 1);
}

void Vga::write_window(u64 offset, u8 value) {
  u64 a;
  if (!window_offset(offset, a)) return;
  const u8 planes = state_.seq[kSeqPlanes];
  if (state_.seq[kSeqMemory] & kSeqChain4) {
    if (planes >> (a & 3) & 1) store(a, value);
  } else if (state_.gfx[kGfxMode] & kGfxOddEven) {
    const unsigned plane = (state_.gfx[kGfxReadPlane] & 2) | (a & 1);
    if (planes >> plane & 1) store((a & ~u64{1}) << 1 | plane, value);
  } else {
    write_planes(a, value);
  }
}

void Vga::write_planes(u64 address, u8 value) {
  if (4 * address + 4 > video_.size) return;
  const std::array<u8, 4> bytes = planes_to_write(value);
  for (unsigned plane = 0; plane < 4; ++plane)
    if (state_.seq[kSeqPlanes] >> plane & 1) video_bytes_[4 * address + plane] = bytes[plane];
  memory_.written_at(video_.offset + 4 * address, 4);
}

// The four write modes.
std::array<u8, 4> Vga::planes_to_write(u8 value) const {
  const auto& gfx = state_.gfx;
  const unsigned mode = gfx[kGfxMode] & 3;
  if (mode == 1) return state_.latch;
  const u8 rotated = mode == 2 ? value : rotate(value, gfx[kGfxRotate]);
  const u8 mask = mode == 3 ? gfx[kGfxBitMask] & rotated : gfx[kGfxBitMask];
  std::array<u8, 4> out;
  for (unsigned plane = 0; plane < 4; ++plane) {
    const u8 latch = state_.latch[plane];
    const bool constant = mode == 3 || (mode == 0 && (gfx[kGfxEnableSetReset] >> plane & 1));
    u8 v = constant ? filled(gfx[kGfxSetReset], plane) : mode == 2 ? filled(value, plane) : rotated;
    switch (gfx[kGfxRotate] >> 3 & 3) {
      case 1: v &= latch; break;
      case 2: v |= latch; break;
      case 3: v ^= latch; break;
      default: break;
    }
    out[plane] = static_cast<u8>((v & mask) | (latch & ~mask));
  }
  return out;
}

}  // namespace tandem::devices
