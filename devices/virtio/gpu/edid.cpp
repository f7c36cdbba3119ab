#include "devices/virtio/gpu/edid.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/base/bits.h"

namespace tandem::devices::virtio::gpu {

namespace {

// Places in the base block (3.1).
constexpr unsigned kMaker = 8, kYear = 17, kVersion = 18, kInput = 20, kWidthCm = 21, kHeightCm = 22,
                   kGamma = 23, kFeatures = 24, kChromaticity = 25, kStandardTimings = 38, kDescriptors = 54,
                   kDescriptorSize = 18, kSum = 127;
constexpr u32 kMmPerPixelTenths = 3;  // 0.25 mm, about 100 dots an inch
constexpr u64 kRefresh = 60;
// Blanking of CVT with reduced blanking, version 1: fixed horizontally, enough lines for 460 us vertically.
constexpr u32 kHorizontalBlank = 160, kHorizontalFront = 48, kHorizontalSync = 32, kVerticalFront = 3,
              kVerticalSync = 6, kVerticalBack = 6;

u16 three_letters(const char* id) {
  return static_cast<u16>((id[0] - '@') << 10 | (id[1] - '@') << 5 | (id[2] - '@'));
}

u32 vertical_blank(u32 height) {
  // Lines of a frame so that the blanking takes 460 us of its sixtieth of a second.
  const u32 lines = static_cast<u32>(u64{height} * 460 * kRefresh / (1'000'000 - 460 * kRefresh)) + 1;
  return std::max(lines, kVerticalFront + kVerticalSync + kVerticalBack);
}

// 3.10.2
void detailed_timing(u8* d, u32 width, u32 height) {
  const u32 blank = vertical_blank(height);
  const u64 clock = u64{width + kHorizontalBlank} * (height + blank) * kRefresh / 10'000;  // in 10 kHz
  store_le<u16>(d, static_cast<u16>(std::min<u64>(clock, 0xffff)));
  d[2] = static_cast<u8>(width);
  d[3] = static_cast<u8>(kHorizontalBlank);
  d[4] = static_cast<u8>((width >> 8) << 4 | kHorizontalBlank >> 8);
  d[5] = static_cast<u8>(height);
  d[6] = static_cast<u8>(blank);
  d[7] = static_cast<u8>((height >> 8) << 4 | (blank >> 8));
  d[8] = kHorizontalFront;
  d[9] = kHorizontalSync;
  d[10] = static_cast<u8>(kVerticalFront << 4 | kVerticalSync);
  const u32 mm_wide = width * kMmPerPixelTenths / 12, mm_high = height * kMmPerPixelTenths / 12;
  d[12] = static_cast<u8>(mm_wide);
  d[13] = static_cast<u8>(mm_high);
  d[14] = static_cast<u8>((mm_wide >> 8) << 4 | mm_high >> 8);
  d[17] = 0x1a;  // digital, separate syncs: vertical negative, horizontal positive
}

// 3.10.3
void text_descriptor(u8* d, u8 tag, const char* text) {
  d[3] = tag;
  std::memset(d + 5, ' ', 13);
  const std::size_t n = std::min<std::size_t>(std::strlen(text), 13);
  std::memcpy(d + 5, text, n);
  if (n < 13) d[5 + n] = '\n';
}

void range_limits(u8* d) {
  constexpr u8 kTag = 0xfd, kLines[] = {50, 75}, kKilohertz[] = {30, 255}, kMegahertzTens = 66,
               kNoFormula = 0x01;
  d[3] = kTag;
  d[5] = kLines[0];
  d[6] = kLines[1];
  d[7] = kKilohertz[0];
  d[8] = kKilohertz[1];
  d[9] = kMegahertzTens;
  d[10] = kNoFormula;
  d[11] = '\n';
  std::memset(d + 12, ' ', 6);
}

}  // namespace

std::array<u8, 128> edid(u32 width, u32 height) {
  std::array<u8, 128> e{};
  std::fill(&e[1], &e[7], u8{0xff});
  store_be<u16>(&e[kMaker], three_letters("TDM"));
  store_le<u16>(&e[kMaker + 2], 1);  // product
  e[kYear] = 2024 - 1990;
  e[kVersion] = 1;
  e[kVersion + 1] = 4;
  e[kInput] = 0xa5;  // digital, 8 bits a colour, DisplayPort
  e[kWidthCm] = static_cast<u8>(std::min<u32>(width * kMmPerPixelTenths / 120, 255));
  e[kHeightCm] = static_cast<u8>(std::min<u32>(height * kMmPerPixelTenths / 120, 255));
  e[kGamma] = 120;      // 2.2
  e[kFeatures] = 0x06;  // sRGB, the first timing is the native one
  constexpr u8 kSrgb[] = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54};
  std::ranges::copy(kSrgb, &e[kChromaticity]);
  std::fill(&e[kStandardTimings], &e[kDescriptors], u8{0x01});  // none
  detailed_timing(&e[kDescriptors], width, height);
  range_limits(&e[kDescriptors + kDescriptorSize]);
  text_descriptor(&e[kDescriptors + 2 * kDescriptorSize], 0xfc, "Tandem");
  text_descriptor(&e[kDescriptors + 3 * kDescriptorSize], 0xff, "1");
  e[kSum] = static_cast<u8>(-std::accumulate(e.begin(), e.end() - 1, 0));
  return e;
}

}  // namespace tandem::devices::virtio::gpu
