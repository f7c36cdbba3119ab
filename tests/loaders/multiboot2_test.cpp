// Multiboot2 Specification 2.0.
#include <map>

#include "tests/loaders/guest_fixture.h"
#include "tests/loaders/kernel_images.h"

namespace tandem::tests {
namespace {

using machine::Payload;
using Tags = std::vector<std::vector<u8>>;

constexpr u64 kLoad = 0x200000;
constexpr u16 kOptional = 1;

std::vector<u8> elf_kernel(const Tags& tags = {}, bool is64 = false) {
  ElfSpec spec;
  spec.is64 = is64;
  spec.entry = kLoad + 0x20;
  spec.segments = {{kLoad, kLoad, multiboot2_header(tags), 0x4000}};
  return make_elf(spec);
}

std::vector<u8> flat_kernel(const Tags& tags, u64 header_at = 0x40) {
  ByteImage out;
  out.put_bytes(0, pattern(0x400, 3));
  out.put_bytes(header_at, multiboot2_header(tags));
  return out.bytes();
}

Payload payload() {
  return {"kernel", "a=1 b", {{shared(pattern(5000)), "one 1", "first"}, {shared({7}), "", "second"}}};
}

class Multiboot2 : public testing::Test {
 protected:
  Multiboot2() { ram_.make_dirty(); }
  void start(std::vector<u8> kernel, Payload with = payload()) {
    auto state = ram_.boot(shared(std::move(kernel)), std::move(with));
    ASSERT_TRUE(state) << state.error().message;
    state_ = state.take();
    info_ = state_.gpr[cpu::kRbx];
    ASSERT_NO_FATAL_FAILURE(read_tags());
  }
  // Addresses of the tags, by their type.
  void read_tags() {
    ASSERT_EQ(info_ % 8, 0u);
    const u64 end = info_ + ram_.dword(info_);
    for (u64 at = info_ + 8; at < end;) {
      const u32 type = ram_.dword(at), size = ram_.dword(at + 4);
      ASSERT_GE(size, 8u);
      if (type == 0) {
        EXPECT_EQ(at + size, end) << "the end tag is not last";
        return;
      }
      tags_.emplace(type, at);
      at += align_up(size, 8);
    }
    FAIL() << "no end tag";
  }
  u64 tag(u32 type) {
    EXPECT_EQ(tags_.count(type), 1u) << "tag " << type;
    return tags_.find(type)->second;
  }

  GuestRam ram_{32 * MiB};
  cpu::CpuState state_;
  u64 info_ = 0;
  std::multimap<u32, u64> tags_;
};

TEST_F(Multiboot2, EntryState) {
  for (const bool is64 : {false, true}) {
    tags_.clear();
    ASSERT_NO_FATAL_FAILURE(start(elf_kernel({}, is64)));
    EXPECT_EQ(state_.gpr[cpu::kRax], 0x36d76289u);
    EXPECT_EQ(state_.rip, kLoad + 0x20);
    EXPECT_EQ(state_.cr0 & (cpu::kCr0Pe | cpu::kCr0Pg), cpu::kCr0Pe);
    EXPECT_EQ(state_.efer, 0u);
    EXPECT_EQ(state_.rflags, 2u);
  }
}

TEST_F(Multiboot2, TextsAndMemorySizes) {
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel()));
  EXPECT_EQ(ram_.text(tag(1) + 8), "kernel a=1 b");
  EXPECT_EQ(ram_.dword(tag(1) + 4), 8u + 13);
  EXPECT_EQ(ram_.text(tag(2) + 8), "Tandem");
  EXPECT_EQ(ram_.dword(tag(4) + 8), 639u);
  EXPECT_EQ(ram_.dword(tag(4) + 12), 31 * 1024u);
}

TEST_F(Multiboot2, MemoryMap) {
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel()));
  const auto& map = ram_.info().memory_map;
  const u64 at = tag(6);
  ASSERT_EQ(ram_.dword(at + 4), 16 + 24 * map.size());
  EXPECT_EQ(ram_.dword(at + 8), 24u) << "entry_size";
  EXPECT_EQ(ram_.dword(at + 12), 0u) << "entry_version";
  for (std::size_t i = 0; i < map.size(); ++i) {
    const u64 entry = at + 16 + 24 * i;
    EXPECT_EQ(ram_.qword(entry), raw(map[i].start)) << "entry " << i;
    EXPECT_EQ(ram_.qword(entry + 8), map[i].length) << "entry " << i;
    EXPECT_EQ(ram_.qword(entry + 16), static_cast<u64>(map[i].kind)) << "entry " << i;
  }
}

TEST_F(Multiboot2, Modules) {
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel()));
  ASSERT_EQ(tags_.count(3), 2u);
  const auto [begin, end] = tags_.equal_range(3);
  const u64 a = begin->second, b = std::next(begin)->second;
  const u64 first = ram_.dword(a + 8), second = ram_.dword(b + 8);
  EXPECT_EQ(ram_.dword(a + 12), first + 5000);
  EXPECT_TRUE(ram_.bytes(first, 5000) == pattern(5000));
  EXPECT_EQ(ram_.text(a + 16), "first one 1");
  EXPECT_EQ(ram_.dword(b + 12), second + 1);
  EXPECT_EQ(ram_.bytes(second, 1), std::vector<u8>{7});
  EXPECT_EQ(ram_.text(b + 16), "second");
  expect_apart({{"kernel", kLoad, 0x4000},
                {"first module", first, 5000},
                {"second module", second, 1},
                {"information", info_, ram_.dword(info_)}},
               ram_.info());
}

TEST_F(Multiboot2, AcpiRootPointerIsCopied) {
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel()));
  const u64 rsdp = raw(ram_.info().rsdp);
  EXPECT_EQ(ram_.dword(tag(14) + 4), 8u + 20);
  EXPECT_EQ(ram_.bytes(tag(14) + 8, 20), ram_.bytes(rsdp, 20));
  EXPECT_EQ(ram_.dword(tag(15) + 4), 8u + 36);
  EXPECT_EQ(ram_.bytes(tag(15) + 8, 36), ram_.bytes(rsdp, 36));
}

TEST_F(Multiboot2, OldAcpiHasNoNewPointer) {
  ram_.memory().write_value<u8>(ram_.info().rsdp + 15, 0);
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel()));
  EXPECT_EQ(tags_.count(14), 1u);
  EXPECT_EQ(tags_.count(15), 0u);
}

TEST_F(Multiboot2, EntryTagWinsOverTheElfEntry) {
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel({multiboot2_tag(3, 0, {kLoad + 0x80})})));
  EXPECT_EQ(state_.rip, kLoad + 0x80);
}

// Address tag: header, load, load_end, bss_end.
TEST_F(Multiboot2, FlatKernelGoesWhereItsTagsSay) {
  const auto file = flat_kernel(
      {multiboot2_tag(2, 0, {0x300020, 0x300000, 0x300100, 0x301000}), multiboot2_tag(3, 0, {0x300004})});
  ASSERT_NO_FATAL_FAILURE(start(file, {"kernel", "", {}}));
  EXPECT_EQ(state_.rip, 0x300004u);
  EXPECT_TRUE(ram_.bytes(0x300000, 0x100) == std::vector<u8>(file.begin() + 0x20, file.begin() + 0x120));
  EXPECT_TRUE(ram_.bytes(0x300100, 0xf00) == std::vector<u8>(0xf00)) << "the bss is not cleared";
  EXPECT_EQ(ram_.bytes(0x301000, 1)[0], kDirt);
}

TEST_F(Multiboot2, LoadOfAllOnesIsTheFileFromItsBeginning) {
  const auto file =
      flat_kernel({multiboot2_tag(2, 0, {0x300040, 0xffffffff, 0, 0}), multiboot2_tag(3, 0, {0x300004})});
  ASSERT_NO_FATAL_FAILURE(start(file));
  EXPECT_TRUE(ram_.bytes(0x300000, file.size()) == file);
}

TEST_F(Multiboot2, OptionalAndEfiTagsAreIgnored) {
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel({
      multiboot2_tag(1, 0, {1, 6, 8, 15}),  // information that the specification knows
      multiboot2_tag(1, kOptional, {99}),   // and that it does not
      multiboot2_tag(4, 0, {3}),            // console
      multiboot2_tag(5, kOptional, {800, 600, 32}),
      multiboot2_tag(6, 0, {}),
      multiboot2_tag(7, 0, {}),
      multiboot2_tag(8, 0, {1}),
      multiboot2_tag(9, 0, {1}),
      multiboot2_tag(77, kOptional, {1, 2, 3}),
  })));
  EXPECT_EQ(state_.rip, kLoad + 0x20);
}

// A kernel may carry both headers.
TEST_F(Multiboot2, ComesBeforeMultiboot1) {
  ElfSpec spec;
  spec.segments = {{kLoad, kLoad, multiboot1_header(0), 0}, {kLoad + MiB, kLoad + MiB, {}, 0}};
  spec.segments[0].content.resize(16);
  spec.segments[1].content = multiboot2_header();
  ASSERT_NO_FATAL_FAILURE(start(make_elf(spec)));
  EXPECT_EQ(state_.gpr[cpu::kRax], 0x36d76289u);
}

struct BadHeader {
  std::string name;
  std::vector<u8> file;
  std::string message;
};
void PrintTo(const BadHeader& row, std::ostream* out) { *out << row.name; }
class Multiboot2Refuses : public Multiboot2, public testing::WithParamInterface<BadHeader> {};

TEST_P(Multiboot2Refuses, Header) {
  expect_user_error(ram_.boot(shared(GetParam().file), payload()), GetParam().message);
}

std::vector<u8> patched_header(u64 offset, u32 value) {
  std::vector<u8> header = multiboot2_header(Tags{multiboot2_tag(2, 0, {0, 0, 0, 0})});
  store_le<u32>(&header[offset], value);
  store_le<u32>(&header[12], 0u - load_le<u32>(&header[0]) - load_le<u32>(&header[8]));
  return header;
}

const std::vector<BadHeader>& bad_headers() {
  const std::vector<u8> addresses = multiboot2_tag(2, 0, {0x300040, 0x300000, 0, 0});
  const std::vector<u8> wrong = multiboot2_tag(2, 0, {0x300040, 0x300000, 0x300500, 0});
  static const std::vector<BadHeader> rows = {
      {"NoElfNoAddresses", flat_kernel({}), "no ELF file and has no addresses"},
      {"AddressesWithoutEntry", flat_kernel({addresses}), "without an entry"},
      {"WrongAddresses", flat_kernel({wrong, multiboot2_tag(3, 0, {0})}), "contradict the file"},
      {"UnknownRequiredTag", elf_kernel({multiboot2_tag(77, 0, {})}), "requires header tag 77"},
      {"RequiredFramebuffer", elf_kernel({multiboot2_tag(5, 0, {8, 6, 32})}), "requires header tag 5"},
      {"UnknownInformation", elf_kernel({multiboot2_tag(1, 0, {1, 99})}), "requires information 99"},
      {"ShortAddressTag", elf_kernel({multiboot2_tag(2, 0, {1, 2, 3})}), "truncated multiboot2 address tag"},
      {"ShortEntryTag", elf_kernel({multiboot2_tag(3, 0, {})}), "truncated multiboot2 entry tag"},
      {"ShortLength", patched_header(8, 15), "truncated multiboot2 header"},
      {"LongLength", patched_header(8, 1000), "truncated multiboot2 header"},
      {"LengthOfAllOnes", patched_header(8, 0xffffffff), "truncated multiboot2 header"},
      {"EmptyTag", patched_header(20, 0), "truncated multiboot2 tag"},
      {"LongTag", patched_header(20, 64), "truncated multiboot2 tag"},
      {"TagOfAllOnes", patched_header(20, 0xffffffff), "truncated multiboot2 tag"},
      {"NotAligned", flat_kernel({}, 0x44), "not a kernel"},
      {"TooFarBehind", flat_kernel({}, 32768 - 8), "not a kernel"},
  };
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Rows, Multiboot2Refuses, testing::ValuesIn(bad_headers()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace tandem::tests
