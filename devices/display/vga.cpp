// The adapter as a device: its ports, reset, state. Names and bits: FreeVGA, "VGA hardware".
#include "devices/display/vga.h"

#include "core/base/bits.h"
#include "devices/display/render.h"
#include "devices/display/vga_view.h"

namespace tandem::devices {

namespace {

// Ports by their offset from 3C0h.
enum Port : u64 {
  kAttributeWrite = 0x00,
  kAttributeRead = 0x01,
  kMiscWriteStatus0 = 0x02,
  kSeqIndex = 0x04,
  kSeqData = 0x05,
  kDacMask = 0x06,
  kDacReadIndex = 0x07,
  kDacWriteIndex = 0x08,
  kDacData = 0x09,
  kFeatureRead = 0x0a,
  kMiscRead = 0x0c,
  kGfxIndex = 0x0e,
  kGfxData = 0x0f,
  kCrtcIndex = 0x14,
  kCrtcData = 0x15,
  kStatus1 = 0x1a,
};
constexpr u64 kMonoToColor = 0x10;  // 3B0h answers as 3D0h does, in monochrome modes
constexpr u8 kMiscColor = 0x01, kSwitchSense = 0x10;
constexpr u8 kRetrace = 0x08, kDisplayOff = 0x01;
constexpr u8 kCrtcProtect = 0x80, kOverflowLineCompare = 0x10;

constexpr u8 kSeqMask[8] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0, 0, 0};
constexpr u8 kGfxMask[16] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
constexpr unsigned kAttributes = 0x15, kCrtcs = 0x19;

// A picture of 449 lines, 70 times a second: what programs that wait for the beam expect.
constexpr i64 kFrame = time::kSecond / 70, kLine = kFrame / 449, kShownLines = 412,
              kShownPart = kLine * 4 / 5;

// BAR 2, as QEMU has it: VGA ports, VBE registers.
constexpr u64 kRegisters = 0x1000, kPortsAt = 0x400, kPortsSize = 0x20, kVbeAt = 0x500;

}  // namespace

Vga::Vga(machine::DeviceContext context, Memory memory, Rom rom)
    : PciDevice(context, {.vendor = 0x1234,
                          .device = 0x1111,
                          .class_code = 0x030000,
                          .revision = 2,
                          .subsystem_vendor = 0x1af4,
                          .subsystem = 0x1100}),
      clock_(context.clock),
      memory_(context.memory),
      video_(memory),
      video_bytes_(context.memory.base() + memory.offset),
      color_(*this, &Vga::color_io),
      mono_(*this, &Vga::mono_io),
      vbe_ports_(*this, &Vga::vbe_io),
      window_(*this, &Vga::window_io),
      registers_(*this, &Vga::register_io) {
  add_bar(0, BarKind::Prefetchable32, video_.size, {video_.offset, video_.offset});
  add_bar(2, BarKind::Memory32, kRegisters, registers_);
  if (rom.size) add_rom(rom.size, rom.offset);
  reset(machine::ResetKind::PowerOn);
}

void Vga::reset(machine::ResetKind) {
  reset_config();
  std::lock_guard lock(mutex_);
  state_ = {};
  state_.vbe[kVbeId] = kNewestVbe;
}

void Vga::color_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  const bool crtc = access.offset >= 0x10;
  const bool silent = crtc && !(state_.misc & kMiscColor);
  if (access.dir == bus::IoDir::Read) access.value = silent ? 0xff : read_port(access.offset);
  else if (!silent) write_port(access.offset, static_cast<u8>(access.value));
}

void Vga::mono_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  const bool silent = state_.misc & kMiscColor;
  const u64 offset = access.offset + kMonoToColor;
  if (access.dir == bus::IoDir::Read) access.value = silent ? 0xff : read_port(offset);
  else if (!silent) write_port(offset, static_cast<u8>(access.value));
}

u8 Vga::read_status() {
  state_.attr_takes_data = false;
  const i64 in_frame = raw(clock_.now()) % kFrame;
  const bool between_frames = in_frame / kLine >= kShownLines;
  const bool between_lines = in_frame % kLine >= kShownPart;
  return static_cast<u8>((between_frames ? kRetrace : 0) |
                         (between_frames || between_lines ? kDisplayOff : 0));
}

u8 Vga::read_port(u64 offset) {
  const VgaState& s = state_;
  switch (offset) {
    case kAttributeWrite: return s.attr_index;
    case kAttributeRead: return s.attr[s.attr_index & 31];
    case kMiscWriteStatus0: return kSwitchSense;
    case kSeqIndex: return s.seq_index;
    case kSeqData: return s.seq[s.seq_index & 7];
    case kDacMask: return s.dac_mask;
    case kDacReadIndex: return s.dac_reading ? 3 : 0;
    case kDacWriteIndex: return s.dac_write;
    case kDacData: return read_dac();
    case kFeatureRead: return s.feature;
    case kMiscRead: return s.misc;
    case kGfxIndex: return s.gfx_index;
    case kGfxData: return s.gfx[s.gfx_index & 15];
    case kCrtcIndex: return s.crtc_index;
    case kCrtcData: return s.crtc[s.crtc_index & 31];
    case kStatus1: return read_status();
    default: return 0xff;
  }
}

void Vga::write_port(u64 offset, u8 value) {
  VgaState& s = state_;
  switch (offset) {
    case kAttributeWrite: return write_attribute(value);
    case kMiscWriteStatus0: s.misc = value & ~0x10; break;
    case kSeqIndex: s.seq_index = value & 7; break;
    case kSeqData: s.seq[s.seq_index] = value & kSeqMask[s.seq_index]; break;
    case kDacMask: s.dac_mask = value; break;
    case kDacReadIndex:
      s.dac_read = value;
      s.dac_part = 0;
      s.dac_reading = true;
      break;
    case kDacWriteIndex:
      s.dac_write = value;
      s.dac_part = 0;
      s.dac_reading = false;
      break;
    case kDacData: return write_dac(value);
    case kGfxIndex: s.gfx_index = value & 15; break;
    case kGfxData: s.gfx[s.gfx_index] = value & kGfxMask[s.gfx_index]; break;
    case kCrtcIndex: s.crtc_index = value; break;
    case kCrtcData: return write_crtc(value);
    case kStatus1: s.feature = value & 0x10; break;
    default: break;
  }
}

void Vga::write_attribute(u8 value) {
  VgaState& s = state_;
  const bool data = s.attr_takes_data;
  s.attr_takes_data = !data;
  if (!data) {
    s.attr_index = value & 0x3f;
    return;
  }
  const unsigned index = s.attr_index & 31;
  if (index < kAttrMode) s.attr[index] = value & 0x3f;
  else if (index < kAttributes) s.attr[index] = index == kAttrMode ? value & ~0x10 : value;
}

void Vga::write_crtc(u8 value) {
  VgaState& s = state_;
  const unsigned index = s.crtc_index & 31;
  if (index >= kCrtcs) return;
  if ((s.crtc[kCrtcRetraceEnd] & kCrtcProtect) && index <= kCrtcOverflow) {
    if (index == kCrtcOverflow)
      s.crtc[index] =
          static_cast<u8>((s.crtc[index] & ~kOverflowLineCompare) | (value & kOverflowLineCompare));
    return;
  }
  s.crtc[index] = value;
}

u8 Vga::read_dac() {
  VgaState& s = state_;
  const u8 value = s.dac[3u * s.dac_read + s.dac_part];
  if (++s.dac_part == 3) {
    s.dac_part = 0;
    ++s.dac_read;
  }
  return value;
}

void Vga::write_dac(u8 value) {
  VgaState& s = state_;
  s.dac_latch[s.dac_part] = value;
  if (++s.dac_part < 3) return;
  s.dac_part = 0;
  for (unsigned i = 0; i < 3; ++i) s.dac[3u * s.dac_write + i] = s.dac_latch[i];
  ++s.dac_write;
}

void Vga::register_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  const bool read = access.dir == bus::IoDir::Read;
  const u64 at = access.offset;
  if (at >= kVbeAt && at < kVbeAt + 2 * kVbeCount) {
    const unsigned index = static_cast<unsigned>(at - kVbeAt) / 2;
    if (access.size != 2 || (at & 1)) access.value = 0;
    else if (read) access.value = read_vbe(index);
    else write_vbe(index, static_cast<u16>(access.value));
    return;
  }
  if (at < kPortsAt || at + access.size > kPortsAt + kPortsSize) return;
  for (unsigned i = 0; i < access.size; ++i) {
    if (read) access.value |= u64{read_port(at - kPortsAt + i)} << (8 * i);
    else write_port(at - kPortsAt + i, static_cast<u8>(access.value >> (8 * i)));
  }
}

VgaState Vga::registers() const {
  std::lock_guard lock(mutex_);
  return state_;
}

// Drawn without the lock: no vCPU that is at a register waits for it.
Picture Vga::picture(bool blink_shown) const {
  const VgaState state = registers();
  return render({state, video_memory(), blink_shown});
}

std::unique_ptr<DisplayView> Vga::open_view() const { return std::make_unique<VgaView>(*this); }

void Vga::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  VgaState s = state_;
  s.config = config_state();
  snapshot::save_section(writer, name(), 1, s);
}

Result<void> Vga::load(snapshot::StateReader& reader) {
  VgaState s;
  TANDEM_TRY(snapshot::load_section(reader, name(), 1, s));
  load_config(s.config);
  std::lock_guard lock(mutex_);
  state_ = s;
  return {};
}

}  // namespace tandem::devices
