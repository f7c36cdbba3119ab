// All registers of the display adapter: an IBM VGA with Bochs' VBE extension, as QEMU's stdvga has it.
#pragma once

#include <array>

#include "devices/pci/pci_device.h"

namespace tandem::devices {

// Names as in "VGA hardware" by FreeVGA; index = register number.
enum Sequencer : u8 { kSeqClocking = 1, kSeqPlanes = 2, kSeqFonts = 3, kSeqMemory = 4 };
enum Graphics : u8 {
  kGfxSetReset = 0,
  kGfxEnableSetReset = 1,
  kGfxCompare = 2,
  kGfxRotate = 3,
  kGfxReadPlane = 4,
  kGfxMode = 5,
  kGfxMisc = 6,
  kGfxDontCare = 7,
  kGfxBitMask = 8,
};
enum Crtc : u8 {
  kCrtcWidth = 0x01,
  kCrtcOverflow = 0x07,
  kCrtcPresetRow = 0x08,
  kCrtcMaxScan = 0x09,
  kCrtcCursorStart = 0x0a,
  kCrtcCursorEnd = 0x0b,
  kCrtcStartHigh = 0x0c,
  kCrtcStartLow = 0x0d,
  kCrtcCursorHigh = 0x0e,
  kCrtcCursorLow = 0x0f,
  kCrtcRetraceEnd = 0x11,
  kCrtcHeight = 0x12,
  kCrtcOffset = 0x13,
  kCrtcUnderline = 0x14,
  kCrtcMode = 0x17,
  kCrtcLineCompare = 0x18,
};
enum Attribute : u8 {
  kAttrMode = 0x10,
  kAttrPlanes = 0x12,
  kAttrPanning = 0x13,
  kAttrColorSelect = 0x14,
};
// Bochs' VBE DISPI.
enum Vbe : u8 {
  kVbeId = 0,
  kVbeWidth = 1,
  kVbeHeight = 2,
  kVbeDepth = 3,
  kVbeEnable = 4,
  kVbeBank = 5,
  kVbeVirtualWidth = 6,
  kVbeVirtualHeight = 7,
  kVbeX = 8,
  kVbeY = 9,
  kVbeMemory = 10,
  kVbeCount = 11,
};

inline constexpr u8 kSeqNineDots = 0x01, kSeqHalfClock = 0x08,
                    kSeqScreenOff = 0x20;                        // kSeqClocking (nine: clear)
inline constexpr u8 kSeqChain4 = 0x08;                           // kSeqMemory
inline constexpr u8 kGfxOddEven = 0x10, kGfxReadCompare = 0x08;  // kGfxMode
inline constexpr u8 kGfxGraphics = 0x01;                         // kGfxMisc
inline constexpr u8 kAttrLineGraphics = 0x04, kAttrBlink = 0x08, kAttrColorBits54 = 0x80;  // kAttrMode
inline constexpr u8 kAttrVideoOn = 0x20;                                                   // in the index
inline constexpr u16 kOldestVbe = 0xb0c0, kNewestVbe = 0xb0c5;
inline constexpr u16 kVbeEnabled = 1, kVbeGetCaps = 2, kVbe8BitDac = 0x20, kVbeNoClear = 0x80;
inline constexpr u16 kVbeDepths[] = {4, 8, 15, 16, 24, 32};
inline constexpr u16 kVbeMaxWidth = 2560, kVbeMaxHeight = 1600, kVbeMaxDepth = 32;

struct VgaState {
  PciConfig config;
  u8 misc = 0, feature = 0;
  u8 seq_index = 0, gfx_index = 0, crtc_index = 0, attr_index = 0;
  bool attr_takes_data = false;
  std::array<u8, 8> seq{};
  std::array<u8, 16> gfx{};
  std::array<u8, 32> crtc{}, attr{};
  u8 dac_mask = 0xff, dac_read = 0, dac_write = 0, dac_part = 0;
  bool dac_reading = false;
  std::array<u8, 3> dac_latch{};
  std::array<u8, 768> dac{};
  std::array<u8, 4> latch{};
  u16 vbe_index = 0;
  std::array<u16, kVbeCount> vbe{};
  static void fields(auto& a, auto& s) {
    a(s.config, s.misc, s.feature, s.seq_index, s.gfx_index, s.crtc_index, s.attr_index, s.attr_takes_data,
      s.seq, s.gfx, s.crtc, s.attr, s.dac_mask, s.dac_read, s.dac_write, s.dac_part, s.dac_reading,
      s.dac_latch, s.dac, s.latch, s.vbe_index, s.vbe);
  }
  bool valid() const { return dac_part < 3 && seq_index < 8 && gfx_index < 16; }
  bool operator==(const VgaState&) const = default;
  bool vbe_on() const { return vbe[kVbeEnable] & kVbeEnabled; }
};

}  // namespace tandem::devices
