#include "core/semantics/host/legacy_area.h"

#include <cstring>

#include "core/base/bits.h"
#include "core/semantics/host/availability.h"

namespace tandem::semantics {

using namespace cpu;

namespace {
constexpr unsigned kSlot = 16, kRegisters = 8, kRegisterBytes = 10;
}

void write_x87(const X87State& x, bool wide, u8* area) {
  store_le<u16>(area, x.fcw);
  store_le<u16>(area + 2, x.fsw);
  store_le<u16>(area + 4, x.ftw_abridged);
  store_le<u16>(area + 6, x.fop);
  // Selectors are always 0.
  store_le<u64>(area + 8, wide ? x.fip : static_cast<u32>(x.fip));
  store_le<u64>(area + 16, wide ? x.fdp : static_cast<u32>(x.fdp));
  for (unsigned i = 0; i < kRegisters; ++i) {
    u8* slot = area + kStOffset + i * kSlot;
    std::memset(slot, 0, kSlot);
    std::memcpy(slot, x.st[i], kRegisterBytes);
  }
}

void read_x87(const u8* area, bool wide, X87State& x) {
  x.fcw = static_cast<u16>((load_le<u16>(area) & 0x1f7f) | 0x40);
  x.fsw = load_le<u16>(area + 2);
  x.ftw_abridged = area[4];
  x.fop = load_le<u16>(area + 6) & 0x7ff;
  x.fip = wide ? load_le<u64>(area + 8) : load_le<u32>(area + 8);
  x.fdp = wide ? load_le<u64>(area + 16) : load_le<u32>(area + 16);
  for (unsigned i = 0; i < kRegisters; ++i) {
    std::memset(x.st[i], 0, sizeof x.st[i]);
    std::memcpy(x.st[i], area + kStOffset + i * kSlot, kRegisterBytes);
  }
  update_exception_summary(x);
}

unsigned xmm_count(const Cpu& cpu) { return cpu.mode.code_size == 8 ? 16 : 8; }

void write_xmm(const Cpu& cpu, u8* area) {
  for (unsigned n = 0; n < xmm_count(cpu); ++n)
    std::memcpy(area + kXmmOffset + n * kSlot, cpu.state.vector.zmm[n].bytes, kSlot);
}

void read_xmm(Cpu& cpu, const u8* area) {
  for (unsigned n = 0; n < xmm_count(cpu); ++n)
    std::memcpy(cpu.state.vector.zmm[n].bytes, area + kXmmOffset + n * kSlot, kSlot);
}

}  // namespace tandem::semantics
