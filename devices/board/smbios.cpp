#include "devices/board/smbios.h"

#include <algorithm>

namespace tandem::devices {

namespace {

using Bytes = std::vector<u8>;

constexpr u16 kNone = 0xfffe;  // "no error information"
constexpr u16 kMemoryArray = 0x1000, kMemoryDevice = 0x1100, kCpu = 0x400, kChassis = 0x300;

// One structure (6.1.2): header, fields, then the strings that its fields number.
class Structure {
 public:
  Structure(u8 type, u16 handle) {
    value(type, 1);
    value(0, 1);
    value(handle, 2);
  }
  Structure& value(u64 v, unsigned size) {
    for (unsigned i = 0; i < size; ++i) fields_.push_back(static_cast<u8>(v >> (8 * i)));
    return *this;
  }
  Structure& zeros(unsigned n) {
    fields_.resize(fields_.size() + n);
    return *this;
  }
  Structure& text(const char* s) {
    strings_.push_back(s);
    return value(strings_.size(), 1);
  }
  Structure& bytes(const auto& all) {
    fields_.insert(fields_.end(), all.begin(), all.end());
    return *this;
  }
  Bytes take() {
    fields_[1] = static_cast<u8>(fields_.size());
    for (const std::string& s : strings_) {
      fields_.insert(fields_.end(), s.begin(), s.end());
      fields_.push_back(0);
    }
    fields_.resize(fields_.size() + (strings_.empty() ? 2 : 1));
    return std::move(fields_);
  }

 private:
  Bytes fields_;
  std::vector<std::string> strings_;
};

// 7.2: the first three parts of a UUID are little-endian.
std::array<u8, 16> wire_format(std::array<u8, 16> uuid) {
  std::reverse(uuid.begin(), uuid.begin() + 4);
  std::swap(uuid[4], uuid[5]);
  std::swap(uuid[6], uuid[7]);
  return uuid;
}

Bytes system(const SmbiosConfig& c) {  // 7.2
  Structure s(1, 0x100);
  s.text("Tandem").text("Standard PC").text("1").value(0, 1).bytes(wire_format(c.uuid));
  return s.value(6, 1).value(0, 1).text("Virtual Machine").take();
}

Bytes chassis() {  // 7.4
  Structure s(3, kChassis);
  s.text("Tandem").value(1, 1).zeros(3).value(0x03030303, 4).zeros(4);
  return s.zeros(4).value(0, 1).take();
}

Bytes processor(u32 index) {  // 7.5
  Structure s(4, static_cast<u16>(kCpu + index));
  s.text("CPU").value(3, 1).value(1, 1).text("Tandem").zeros(8).text("1").zeros(1);
  s.zeros(2).zeros(2).zeros(2).value(0x41, 1).value(1, 1);
  s.value(0xffff, 2).value(0xffff, 2).value(0xffff, 2).zeros(3);
  return s.value(1, 1).value(1, 1).value(1, 1).value(2, 2).value(1, 2).take();
}

Bytes memory_array(u64 bytes) {  // 7.17
  const u64 kib = bytes / KiB;
  const bool fits = kib < 0x80000000;
  Structure s(16, kMemoryArray);
  s.value(1, 1).value(3, 1).value(6, 1).value(fits ? kib : 0x80000000, 4).value(kNone, 2).value(1, 2);
  return s.value(fits ? 0 : bytes, 8).take();
}

Bytes memory_device(u64 bytes) {  // 7.18
  const u64 mib = bytes / MiB;
  const bool fits = mib < 0x7fff;
  Structure s(17, kMemoryDevice);
  s.value(kMemoryArray, 2).value(kNone, 2).value(0xffff, 2).value(0xffff, 2).value(fits ? mib : 0x7fff, 2);
  s.value(9, 1).zeros(1).text("DIMM 0").zeros(1).value(7, 1).value(2, 2).zeros(2).text("Tandem").zeros(4);
  return s.value(fits ? 0 : mib, 4).zeros(2).take();
}

Bytes mapped_address(u64 bytes) {  // 7.20
  Structure s(19, 0x1300);
  return s.value(0, 4).value(bytes / KiB - 1, 4).value(kMemoryArray, 2).value(1, 1).take();
}

}  // namespace

Smbios build_smbios(const SmbiosConfig& config) {
  Smbios out;
  std::vector<Bytes> all = {system(config), chassis()};
  for (u32 i = 0; i < config.vcpus; ++i) all.push_back(processor(i));
  all.push_back(memory_array(config.memory_bytes));
  all.push_back(memory_device(config.memory_bytes));
  if (config.memory_bytes / KiB <= 0xffffffff) all.push_back(mapped_address(config.memory_bytes));
  all.push_back(Structure(32, 0x2000).zeros(7).take());
  all.push_back(Structure(127, 0x7f00).take());
  size_t largest = 0;
  for (const Bytes& b : all) {
    largest = std::max(largest, b.size());
    out.tables.insert(out.tables.end(), b.begin(), b.end());
  }
  // 5.2.1 "SMBIOS entry point structure"
  const auto put = [&](u64 v, unsigned size) {
    for (unsigned i = 0; i < size; ++i) out.anchor.push_back(static_cast<u8>(v >> (8 * i)));
  };
  const auto text = [&](std::string_view s) { out.anchor.insert(out.anchor.end(), s.begin(), s.end()); };
  text("_SM_");
  put(0, 1);
  put(31, 1);
  put(2 | 8 << 8, 2);
  put(largest, 2);
  put(0, 1 + 5);
  text("_DMI_");
  put(0, 1);
  put(out.tables.size(), 2);
  put(0, 4);
  put(all.size(), 2);
  put(0x28, 1);
  return out;
}

}  // namespace tandem::devices
