#include "devices/storage/cdrom_data.h"

#include <algorithm>
#include <string_view>

#include "core/base/bits.h"

namespace tandem::devices::ata {

namespace {

constexpr u8 kDataTrack = 0x14, kLeadOut = 0xaa;

// A position as a block, or as minutes, seconds and frames, of which there are 75 a second, from 2 s on.
void put_position(std::vector<u8>& out, u64 sector, bool msf) {
  u32 value = static_cast<u32>(sector);
  if (msf) {
    const u32 frames = value + 150;
    value = std::min(frames / (75 * 60), 255u) << 16 | frames / 75 % 60 << 8 | frames % 75;
  }
  out.resize(out.size() + 4);
  store_be(out.data() + out.size() - 4, value);
}

// The length in front counts what follows it.
std::vector<u8> with_length(std::vector<u8> data, std::size_t field) {
  const std::size_t n = data.size() - field;
  if (field == 2) store_be(data.data(), static_cast<u16>(n));
  else store_be(data.data(), static_cast<u32>(n));
  return data;
}

std::vector<u8> tracks(bool msf, u64 sectors) {
  std::vector<u8> out = {0, 0, 1, 1};
  out.insert(out.end(), {0, kDataTrack, 1, 0});
  put_position(out, 0, msf);
  out.insert(out.end(), {0, kDataTrack, kLeadOut, 0});
  put_position(out, sectors, msf);
  return with_length(std::move(out), 2);
}

std::vector<u8> sessions(bool msf) {
  std::vector<u8> out = {0, 0, 1, 1, 0, kDataTrack, 1, 0};
  put_position(out, 0, msf);
  return with_length(std::move(out), 2);
}

// Format 2: points A0h, A1h, A2h and the track.
std::vector<u8> full_toc(u64 sectors) {
  std::vector<u8> out = {0, 0, 1, 1};
  const auto point = [&](u8 number) { out.insert(out.end(), {1, kDataTrack, 0, number, 0, 0, 0}); };
  point(0xa0);
  out.insert(out.end(), {0, 1, 0, 0});  // first track, in minutes
  point(0xa1);
  out.insert(out.end(), {0, 1, 0, 0});
  point(0xa2);
  put_position(out, sectors, true);
  point(1);
  put_position(out, 0, true);
  return with_length(std::move(out), 2);
}

struct Feature {
  u16 code;
  u8 flags;  // version, persistent, current
  std::vector<u8> data;
};

std::vector<Feature> features(bool has_medium) {
  const u8 with_medium = has_medium ? 1 : 0;
  return {{0x0000, 0x03, {0x00, 0x08, with_medium, 0}},     // profile list: CD-ROM
          {0x0001, 0x03, {0, 0, 0, 2}},                     // core: ATAPI
          {0x0002, 0x03, {}},                               // morphing
          {0x0003, 0x03, {0x29, 0, 0, 0}},                  // removable: tray, eject, lock
          {0x0010, with_medium, {0, 0, 8, 0, 0, 1, 0, 0}},  // random readable, blocks of 2048
          {0x001e, with_medium, {0, 0, 0, 0}}};             // CD read
}

}  // namespace

std::vector<u8> inquiry_data() {
  std::vector<u8> out = {0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0};  // CD-ROM, removable, ATAPI
  const std::string_view text = "TANDEM  CD-ROM          1.0 ";
  out.insert(out.end(), text.begin(), text.end());
  return out;
}

std::optional<std::vector<u8>> toc_data(u8 format, bool msf, u8 start_track, u64 sectors) {
  switch (format) {
    case 0:
      if (start_track > 1 && start_track != kLeadOut) return std::nullopt;
      return tracks(msf, sectors);
    case 1: return sessions(msf);
    case 2: return full_toc(sectors);
    default: return std::nullopt;
  }
}

std::vector<u8> configuration_data(u8 type, u16 first, bool has_medium) {
  std::vector<u8> out = {0, 0, 0, 0, 0, 0, 0, static_cast<u8>(has_medium ? 0x08 : 0)};
  for (const Feature& f : features(has_medium)) {
    if (type == 2 ? f.code != first : f.code < first || (type == 1 && !(f.flags & 1))) continue;
    out.insert(out.end(), {static_cast<u8>(f.code >> 8), static_cast<u8>(f.code), f.flags,
                           static_cast<u8>(f.data.size())});
    out.insert(out.end(), f.data.begin(), f.data.end());
  }
  return with_length(std::move(out), 4);
}

std::optional<std::vector<u8>> mode_page_data(u8 page, bool has_medium, bool locked) {
  constexpr u8 kAll = 0x3f;
  std::vector<u8> out = {0, 0, static_cast<u8>(has_medium ? 0x01 : 0x70), 0, 0, 0, 0, 0};
  const std::size_t head = out.size();
  if (page == 0x01 || page == kAll) out.insert(out.end(), {0x01, 6, 0, 5, 0, 0, 0, 0});  // error recovery
  if (page == 0x0e || page == kAll)
    out.insert(out.end(), {0x0e, 14, 4, 0, 0, 0, 0, 75, 1, 0xff, 2, 0xff, 0, 0, 0, 0});
  if (page == 0x2a || page == kAll) {  // capabilities: mode 2, tray, lock; 4234 kB/s
    out.insert(out.end(), {0x2a, 18, 0, 0, 0x70, 0x60, static_cast<u8>(locked ? 0x2b : 0x29), 0});
    out.insert(out.end(), {0x10, 0x8a, 0, 2, 0x02, 0, 0x10, 0x8a, 0, 0, 0, 0});
  }
  if (out.size() == head) return std::nullopt;
  return with_length(std::move(out), 2);
}

std::vector<u8> disc_information(bool empty) {
  std::vector<u8> out(34);
  out[1] = 32;
  out[2] = empty ? 0 : 0x0e;  // complete, last session complete
  out[3] = out[4] = out[5] = out[6] = 1;
  out[7] = 0x20;
  return out;
}

}  // namespace tandem::devices::ata
