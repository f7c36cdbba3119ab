#include "tests/support/xsave_image.h"

#include <cpuid.h>

#include <array>
#include <cstring>

#include "core/base/bits.h"

namespace tandem::tests {

namespace {

constexpr unsigned kAvx = 2, kOpmask = 5, kZmmHi256 = 6, kHi16Zmm = 7;
constexpr unsigned kMxcsr = 24, kXmm = 160, kXstateBv = 512;
constexpr u64 kSupported = cpu::kXfeatureX87 | cpu::kXfeatureSse | cpu::kXfeatureAvx | cpu::kXfeatureAvx512;

// CPUID is slow where the host is itself a guest.
unsigned offset_of(unsigned component) {
  static const std::array<u32, 8> offsets = [] {
    std::array<u32, 8> all{};
    for (u32 i = kAvx; i < all.size(); ++i) {
      u32 a, c, d;
      __cpuid_count(0xd, i, a, all[i], c, d);
    }
    return all;
  }();
  return offsets[component];
}

bool has(unsigned component) { return host_components() >> component & 1; }

// Calls copy(area offset, register bytes, size) for every piece of a vector register.
template <class Vector, class F>
void for_each_piece(Vector& v, F copy) {
  for (unsigned n = 0; n < 16; ++n) {
    copy(kXmm + 16 * n, v.zmm[n].bytes, 16u);
    if (has(kAvx)) copy(offset_of(kAvx) + 16 * n, v.zmm[n].bytes + 16, 16u);
    if (has(kZmmHi256)) copy(offset_of(kZmmHi256) + 32 * n, v.zmm[n].bytes + 32, 32u);
    if (has(kHi16Zmm)) copy(offset_of(kHi16Zmm) + 64 * n, v.zmm[16 + n].bytes, 64u);
  }
}

}  // namespace

u64 host_components() {
  static const u64 mask = [] {
    u32 low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low & kSupported;
  }();
  return mask;
}

void to_xsave(const cpu::VectorState& v, u8* area) {
  std::memset(area, 0, 576);
  // SAFETY: X87State is the first 160 bytes of the area by definition.
  std::memcpy(area, &v.x87, kXmm);
  store_le<u32>(area + kMxcsr, v.mxcsr);
  store_le<u32>(area + kMxcsr + 4, 0xffff);
  for_each_piece(v,
                 [&](unsigned at, const u8* bytes, unsigned size) { std::memcpy(area + at, bytes, size); });
  if (has(kOpmask)) std::memcpy(area + offset_of(kOpmask), v.k, sizeof v.k);
  store_le<u64>(area + kXstateBv, host_components());
}

// A component that is in its initial configuration may not have been written.
void from_xsave(const u8* area, cpu::VectorState& v) {
  const u64 present = load_le<u64>(area + kXstateBv);
  v = {};
  v.mxcsr = load_le<u32>(area + kMxcsr);
  if (present & 1) std::memcpy(&v.x87, area, kXmm);
  v.x87.mxcsr_unused = v.x87.mxcsr_mask_unused = 0;
  auto in = [&](unsigned component) { return present >> component & 1; };
  for (unsigned n = 0; n < 16; ++n) {
    if (in(1)) std::memcpy(v.zmm[n].bytes, area + kXmm + 16 * n, 16);
    if (in(kAvx)) std::memcpy(v.zmm[n].bytes + 16, area + offset_of(kAvx) + 16 * n, 16);
    if (in(kZmmHi256)) std::memcpy(v.zmm[n].bytes + 32, area + offset_of(kZmmHi256) + 32 * n, 32);
    if (in(kHi16Zmm)) std::memcpy(v.zmm[16 + n].bytes, area + offset_of(kHi16Zmm) + 64 * n, 64);
  }
  if (in(kOpmask)) std::memcpy(v.k, area + offset_of(kOpmask), sizeof v.k);
}

}  // namespace tandem::tests
