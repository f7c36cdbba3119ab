// The vector and x87 registers in the standard format of XSAVE (SDM vol. 1, 13.4).
#include <cpuid.h>

#include <cstring>

#include "core/base/bits.h"
#include "hwassist/kvm/registers.h"

namespace tandem::hwassist::kvm {

using namespace cpu;

namespace {

constexpr unsigned kMxcsr = 24, kXmm = 160, kHeader = 512, kX87Bytes = 160;

u32 offset_of(unsigned component) {
  u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
  __cpuid_count(0xd, component, eax, ebx, ecx, edx);
  return ebx;
}

// Calls `piece(register, from byte, area offset, bytes)` for each part of a vector register that the area
// holds.
template <class F>
void for_each_piece(const XsaveLayout& l, F piece) {
  for (unsigned n = 0; n < 16; ++n) {
    piece(n, 0u, kXmm + 16 * n, 16u);
    if (l.components & kXfeatureAvx) piece(n, 16u, l.avx + 16 * n, 16u);
    if (l.components & kXfeatureZmmHi256) piece(n, 32u, l.zmm_hi256 + 32 * n, 32u);
    if (l.components & kXfeatureHi16Zmm) piece(16 + n, 0u, l.hi16_zmm + 64 * n, 64u);
  }
}

}  // namespace

XsaveLayout host_xsave_layout(u64 components) {
  return {components & (kXfeatureX87 | kXfeatureSse | kXfeatureAvx | kXfeatureAvx512), offset_of(2),
          offset_of(5), offset_of(6), offset_of(7)};
}

void to_xsave(const XsaveLayout& layout, const VectorState& state, std::span<u8, kXsaveBytes> area) {
  std::memset(area.data(), 0, area.size());
  std::memcpy(area.data(), &state.x87, kX87Bytes);
  store_le<u32>(area.data() + kMxcsr, state.mxcsr);
  store_le<u32>(area.data() + kMxcsr + 4, 0xffff);
  store_le<u64>(area.data() + kHeader, layout.components);
  for_each_piece(layout, [&](unsigned n, unsigned from, unsigned at, unsigned bytes) {
    std::memcpy(area.data() + at, state.zmm[n].bytes + from, bytes);
  });
  if (layout.components & kXfeatureOpmask) std::memcpy(area.data() + layout.opmask, state.k, sizeof state.k);
}

// A component that XSTATE_BV leaves out is in its initial configuration, whatever the area holds.
void from_xsave(const XsaveLayout& layout, std::span<const u8, kXsaveBytes> area, VectorState& state) {
  const u64 present = load_le<u64>(area.data() + kHeader);
  if (present & kXfeatureX87) std::memcpy(&state.x87, area.data(), kX87Bytes);
  else state.x87 = {};
  state.x87.mxcsr_unused = state.x87.mxcsr_mask_unused = 0;
  state.mxcsr = load_le<u32>(area.data() + kMxcsr);
  const auto component_of = [&](unsigned n, unsigned from) -> u64 {
    if (n >= 16) return kXfeatureHi16Zmm;
    return from == 0 ? kXfeatureSse : from == 16 ? kXfeatureAvx : kXfeatureZmmHi256;
  };
  for_each_piece(layout, [&](unsigned n, unsigned from, unsigned at, unsigned bytes) {
    if (present & component_of(n, from)) std::memcpy(state.zmm[n].bytes + from, area.data() + at, bytes);
    else std::memset(state.zmm[n].bytes + from, 0, bytes);
  });
  if (!(layout.components & kXfeatureOpmask)) return;
  if (present & kXfeatureOpmask) std::memcpy(state.k, area.data() + layout.opmask, sizeof state.k);
  else std::memset(state.k, 0, sizeof state.k);
}

}  // namespace tandem::hwassist::kvm
