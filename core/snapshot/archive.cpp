#include "core/snapshot/archive.h"

#include <fmt/format.h>

#include <cstring>

#include "core/base/assert.h"
#include "core/base/bits.h"

namespace tandem::snapshot {

// header: magic, format. section: u16 name length, name, u32 version, u64 length, payload, u32 CRC-32 of all
// of it. A section with an empty name and no payload ends the archive.
namespace {

constexpr char kMagic[8] = {'T', 'a', 'n', 'd', 'e', 'm', '\n', '\x1a'};
constexpr u32 kFormat = 1;
constexpr size_t kHeaderSize = sizeof kMagic + sizeof kFormat;

consteval std::array<u32, 256> make_crc_table() {
  std::array<u32, 256> table{};
  for (u32 i = 0; i < 256; ++i) {
    u32 c = i;
    for (int k = 0; k < 8; ++k) c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr std::array<u32, 256> kCrcTable = make_crc_table();

}  // namespace

u32 crc32(std::span<const u8> bytes) {
  u32 c = ~0u;
  for (u8 b : bytes) c = kCrcTable[(c ^ b) & 0xff] ^ c >> 8;
  return ~c;
}

StateWriter::StateWriter() {
  bytes({reinterpret_cast<const u8*>(kMagic), sizeof kMagic});
  raw_value(kFormat, 4);
}

void StateWriter::bytes(std::span<const u8> data) { out_.insert(out_.end(), data.begin(), data.end()); }

void StateWriter::raw_value(u64 v, unsigned size) {
  for (unsigned i = 0; i < size; ++i) out_.push_back(static_cast<u8>(v >> (8 * i)));
}

void StateWriter::begin_section(std::string_view name, u32 version) {
  ensure(section_ == 0, "snapshot sections do not nest");
  section_start_ = out_.size();
  raw_value(name.size(), 2);
  bytes({reinterpret_cast<const u8*>(name.data()), name.size()});
  raw_value(version, 4);
  section_ = out_.size();
  raw_value(0, 8);
}

void StateWriter::end_section() {
  ensure(section_ != 0, "no snapshot section is open");
  store_le<u64>(&out_[section_], out_.size() - section_ - 8);
  raw_value(crc32({&out_[section_start_], out_.size() - section_start_}), 4);
  section_ = 0;
}

std::vector<u8> StateWriter::finish() {
  begin_section("", 0);
  end_section();
  return std::move(out_);
}

Result<StateReader> StateReader::open(std::vector<u8> data) {
  StateReader r;
  r.data_ = std::move(data);
  const std::vector<u8>& d = r.data_;
  const Error cut = user_error("the snapshot is cut off");
  if (d.size() < kHeaderSize) return cut;
  if (std::memcmp(d.data(), kMagic, sizeof kMagic) != 0) return user_error("this is not a snapshot");
  if (load_le<u32>(&d[sizeof kMagic]) != kFormat) return user_error("the snapshot has an unknown format");
  for (size_t at = kHeaderSize;;) {
    const size_t start = at;
    if (d.size() - at < 2) return cut;
    const size_t name_length = load_le<u16>(&d[at]);
    at += 2;
    if (d.size() - at < name_length + 12) return cut;
    const std::string name(reinterpret_cast<const char*>(&d[at]), name_length);
    const u32 version = load_le<u32>(&d[at + name_length]);
    const u64 length = load_le<u64>(&d[at + name_length + 4]);
    at += name_length + 12;
    if (d.size() - at < 4 || length > d.size() - at - 4) return cut;
    const size_t end = at + length;
    if (crc32({&d[start], end - start}) != load_le<u32>(&d[end]))
      return user_error(fmt::format("section '{}' of the snapshot is damaged", name));
    if (name.empty()) {
      if (end + 4 != d.size() || length != 0) return user_error("the snapshot has data after its end");
      return r;
    }
    if (!r.sections_.emplace(name, Section{version, at, end}).second)
      return user_error(fmt::format("the snapshot has section '{}' twice", name));
    at = end + 4;
  }
}

Result<void> StateReader::begin_section(std::string_view name, u32 version) {
  const auto it = sections_.find(name);
  if (it == sections_.end()) return user_error(fmt::format("the snapshot has no section '{}'", name));
  if (it->second.version != version)
    return user_error(fmt::format("section '{}' has version {}, not {}", name, it->second.version, version));
  it->second.read = true;
  name_ = name;
  at_ = it->second.start;
  end_ = it->second.end;
  error_.clear();
  return {};
}

Result<void> StateReader::end_section() {
  if (error_.empty() && at_ != end_) error_ = "has data left over";
  if (!error_.empty()) return user_error(fmt::format("section '{}' of the snapshot: {}", name_, error_));
  return {};
}

Result<void> StateReader::finish() {
  for (const auto& [name, section] : sections_)
    if (!section.read) return user_error(fmt::format("the snapshot has an unknown section '{}'", name));
  return {};
}

void StateReader::bytes(std::span<u8> to) {
  if (left() < to.size()) {
    reject("is too short");
    std::memset(to.data(), 0, to.size());
    return;
  }
  if (!to.empty()) std::memcpy(to.data(), &data_[at_], to.size());
  at_ += to.size();
}

u64 StateReader::raw_value(unsigned size) {
  u8 buffer[8] = {};
  bytes({buffer, size});
  return load_le<u64>(buffer);
}

void StateReader::reject(std::string why) {
  if (error_.empty()) error_ = std::move(why);
}

}  // namespace tandem::snapshot
