// Makes tiny kernel files: ELF, bzImage, multiboot headers. Every field can be set, none is checked.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/bits.h"
#include "core/machine/boot/image.h"

namespace tandem::tests {

// Bytes written by offset; grows as needed, with zeros between.
class ByteImage {
 public:
  template <class T>
  void put(u64 at, T value) {
    grow(at + sizeof value);
    store_le<T>(&bytes_[at], value);
  }
  void put_bytes(u64 at, std::span<const u8> content) {
    grow(at + content.size());
    std::copy(content.begin(), content.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  void append32(std::initializer_list<u32> words) {
    for (const u32 word : words) put<u32>(bytes_.size(), word);
  }
  std::size_t size() const { return bytes_.size(); }
  const std::vector<u8>& bytes() const { return bytes_; }

 private:
  void grow(u64 size) { bytes_.resize(std::max<std::size_t>(bytes_.size(), size)); }
  std::vector<u8> bytes_;
};

inline machine::Bytes shared(std::vector<u8> bytes) {
  return std::make_shared<const std::vector<u8>>(std::move(bytes));
}

// Bytes that are all different from their neighbours and the same on each call.
std::vector<u8> pattern(std::size_t size, u8 seed = 1);

struct ElfSegmentSpec {
  u64 address = 0x100000;
  u64 linked_address = 0x100000;
  std::vector<u8> content;
  u64 memory_size = 0;  // at least the content's
};
struct ElfSpec {
  bool is64 = true;
  u64 entry = 0x100000;
  std::vector<ElfSegmentSpec> segments;
  std::vector<u8> notes;
};
// Segments' contents begin at kElfContent in the file, one after the other.
inline constexpr u64 kElfContent = 0x200;
std::vector<u8> make_elf(const ElfSpec& spec);
std::vector<u8> elf_note(std::string_view name, u32 type, std::span<const u8> description);
// XEN_ELFNOTE_PHYS32_ENTRY.
std::vector<u8> pvh_note(u32 entry);

// An x86-64 kernel as it is inside of a bzImage: one segment with a bss.
inline constexpr u64 kVmlinuxAddress = 0x1000000, kVmlinuxSize = 0x3000, kVmlinuxMemory = 0x8000;
ElfSpec vmlinux_spec();

struct BzImageSpec {
  u8 setup_sectors = 1;
  u8 header_jump = 0x66;  // the header ends at 0x202 + this
  u16 version = 0x020f;
  u8 loadflags = 1;
  u16 xloadflags = 1;
  u32 cmdline_size = 2047;
  u32 initrd_max = 0x7fffffff;
  u8 relocatable = 1;
  u64 preferred_address = 0x1000000;
  u32 init_size = 0x20000;
  std::vector<u8> payload;
};
// In the protected-mode part: code of pattern(), then the payload.
inline constexpr u64 kBzPayloadOffset = 0x280;
std::vector<u8> make_bzimage(const BzImageSpec& spec);

// Multiboot 1 header with its checksum; `addresses`: header, load, load_end, bss_end, entry.
std::vector<u8> multiboot1_header(u32 flags, std::span<const u32> addresses = {});

// Multiboot 2 header around tags (each at a multiple of 8; the end tag is added).
std::vector<u8> multiboot2_header(std::span<const std::vector<u8>> tags = {});
std::vector<u8> multiboot2_tag(u16 type, u16 flags, std::initializer_list<u32> words);

}  // namespace tandem::tests
