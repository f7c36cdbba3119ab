// Each field of each kind of kernel file at its extremes: a kernel either starts inside the guest's memory or
// is an error of one line; nothing else happens.
#include <fmt/format.h>

#include "tests/loaders/compress.h"
#include "tests/loaders/guest_fixture.h"
#include "tests/loaders/kernel_images.h"

namespace tandem::tests {
namespace {

struct Victim {
  std::string name;
  std::vector<u8> file;
  u64 fields_begin, fields_end;  // bytes that are pushed to extremes
};
void PrintTo(const Victim& row, std::ostream* out) { *out << row.name; }

Victim elf_victim(std::string name, bool is64) {
  ElfSpec spec = vmlinux_spec();
  spec.is64 = is64;
  spec.notes = pvh_note(0x1000000);
  const u64 notes = kElfContent + kVmlinuxSize;
  return {std::move(name), make_elf(spec), 4, notes + spec.notes.size()};
}

Victim bzimage_victim(std::string name, std::vector<u8> payload) {
  BzImageSpec spec;
  spec.payload = std::move(payload);
  return {std::move(name), make_bzimage(spec), 0x1f1, 0x268};
}

Victim multiboot_victim(std::string name, const std::vector<u8>& header) {
  ByteImage file;
  file.put_bytes(0, pattern(0x400, 5));
  file.put_bytes(0x40, header);
  return {std::move(name), file.bytes(), 0x40, 0x40 + header.size()};
}

std::vector<Victim> victims() {
  const std::vector<u32> addresses = {0x300040, 0x300000, 0x300200, 0x301000, 0x300004};
  const std::vector<std::vector<u8>> tags = {multiboot2_tag(1, 0, {1, 2}),
                                             multiboot2_tag(2, 0, {0x300040, 0x300000, 0x300200, 0x301000}),
                                             multiboot2_tag(3, 0, {0x300004})};
  std::vector<Victim> all = {elf_victim("Elf64", true), elf_victim("Elf32", false),
                             bzimage_victim("BzImageThatUnpacksItself", {0x89, 'L', 'Z', 'O'}),
                             multiboot_victim("Multiboot1", multiboot1_header(1u << 16, addresses)),
                             multiboot_victim("Multiboot2", multiboot2_header(tags))};
  all.push_back(bzimage_victim("BzImage", pack_payload(compressors()[0], make_elf(vmlinux_spec()))));
  return all;
}

// Multiboot headers are found by their sums.
void mend_checksums(std::vector<u8>& file) {
  u8* h = &file[0x40];
  if (load_le<u32>(h) == 0x1badb002) store_le<u32>(h + 8, 0u - load_le<u32>(h) - load_le<u32>(h + 4));
  if (load_le<u32>(h) == 0xe85250d6) store_le<u32>(h + 12, 0u - load_le<u32>(h) - load_le<u32>(h + 8));
}

class Hostile : public testing::TestWithParam<Victim> {
 protected:
  void boot(const std::vector<u8>& file, const std::string& what) {
    const auto state = ram_.boot(shared(file), {"kernel", "a", {{shared({1, 2, 3}), "", "module"}}});
    if (!state) expect_user_error(state, "");
    else ++started_;
    ++tried_;
    // A loader that wrote here ignored the memory map.
    ASSERT_EQ(ram_.bytes(0xa0000, 0x40000), std::vector<u8>(0x40000)) << what;
    ASSERT_EQ(ram_.bytes(0, 0x1000), std::vector<u8>(0x1000)) << what;
  }
  GuestRam ram_{32 * MiB};
  int tried_ = 0, started_ = 0;
};

TEST_P(Hostile, FieldsAtTheirExtremes) {
  const Victim& victim = GetParam();
  const u64 extremes[] = {0,          1,          0x7f,       0xff,           0xffff,
                          0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff,     u64{1} << 32,
                          1u << 20,   0x2000000,  0x1fff000,  ~u64{0} - 4095, ~u64{0}};
  for (u64 at = victim.fields_begin; at < victim.fields_end; ++at) {
    if (at == kElfContent && victim.name.starts_with("Elf")) at += kVmlinuxSize;  // no fields there
    for (const u64 size : {1u, 2u, 4u, 8u})
      for (const u64 value : extremes) {
        if ((size < 8 && value >> (8 * size) != 0) || at + size > victim.fields_end) continue;
        std::vector<u8> file = victim.file;
        for (u64 i = 0; i < size; ++i) file[at + i] = static_cast<u8>(value >> (8 * i));
        mend_checksums(file);
        ASSERT_NO_FATAL_FAILURE(boot(file, fmt::format("{} bytes at {:#x} = {:#x}", size, at, value)));
      }
  }
  EXPECT_GT(started_, 0) << "all of " << tried_ << " were refused: the file is no good to begin with";
  EXPECT_LT(started_, tried_);
}

INSTANTIATE_TEST_SUITE_P(Kernels, Hostile, testing::ValuesIn(victims()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace tandem::tests
