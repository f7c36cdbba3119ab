// ELF files as loaders see them.
#include "core/machine/boot/elf.h"

#include <elf.h>

#include "tests/loaders/guest_fixture.h"
#include "tests/loaders/kernel_images.h"

namespace tandem::tests {
namespace {

using machine::parse_elf;

ElfSpec two_segments(bool is64) {
  ElfSpec spec;
  spec.is64 = is64;
  spec.entry = 0x80100010;
  spec.segments = {{0x100000, 0x80100000, pattern(300), 0}, {0x200000, 0x80200000, pattern(50, 2), 0x1000}};
  return spec;
}

class ElfTest : public testing::TestWithParam<bool> {};

TEST_P(ElfTest, SegmentsAreAtTheirPhysicalAddresses) {
  const auto elf = parse_elf(shared(make_elf(two_segments(GetParam()))));
  ASSERT_TRUE(elf) << elf.error().message;
  EXPECT_EQ(elf.value().is64, GetParam());
  const machine::Image& image = elf.value().image;
  ASSERT_EQ(image.segments.size(), 2u);
  EXPECT_EQ(image.segments[0].address, 0x100000u);
  EXPECT_EQ(image.segments[0].file_offset, kElfContent);
  EXPECT_EQ(image.segments[0].file_size, 300u);
  EXPECT_EQ(image.segments[0].memory_size, 300u);
  EXPECT_EQ(image.segments[1].address, 0x200000u);
  EXPECT_EQ(image.segments[1].memory_size, 0x1000u);
  EXPECT_EQ(image.end(), 0x201000u);
}

TEST_P(ElfTest, VirtualEntryBecomesPhysical) {
  EXPECT_EQ(parse_elf(shared(make_elf(two_segments(GetParam())))).value().image.entry, 0x100010u);
}

TEST_P(ElfTest, PhysicalEntryStays) {
  ElfSpec spec = two_segments(GetParam());
  spec.entry = 0x200020;
  EXPECT_EQ(parse_elf(shared(make_elf(spec))).value().image.entry, 0x200020u);
}

TEST_P(ElfTest, PvhEntryIsFoundAmongOtherNotes) {
  ElfSpec spec = two_segments(GetParam());
  const u8 other[] = {1, 2, 3, 4, 5};
  for (const auto& note : {elf_note("GNU", 18, other), elf_note("Xen", 17, other), pvh_note(0x100040)})
    spec.notes.insert(spec.notes.end(), note.begin(), note.end());
  EXPECT_EQ(parse_elf(shared(make_elf(spec))).value().pvh_entry, 0x100040u);
}

TEST_P(ElfTest, PvhEntryOf8Bytes) {
  ElfSpec spec = two_segments(GetParam());
  ByteImage entry;
  entry.put<u64>(0, 0x100048);
  spec.notes = elf_note("Xen", 18, entry.bytes());
  EXPECT_EQ(parse_elf(shared(make_elf(spec))).value().pvh_entry, 0x100048u);
}

TEST_P(ElfTest, HostileNotesAreNoEntry) {
  for (const u64 field : {0u, 4u})
    for (const u32 value : {0x7fffffffu, 0xfffffffcu, 0xffffffffu}) {
      ElfSpec spec = two_segments(GetParam());
      spec.notes = pvh_note(0x100040);
      store_le<u32>(&spec.notes[field], value);
      const auto elf = parse_elf(shared(make_elf(spec)));
      ASSERT_TRUE(elf) << elf.error().message;
      EXPECT_FALSE(elf.value().pvh_entry) << "note field " << field << " = " << std::hex << value;
    }
}

TEST_P(ElfTest, EveryTruncationIsAnError) {
  const std::vector<u8> whole = make_elf(two_segments(GetParam()));
  for (std::size_t size = SELFMAG; size < whole.size(); ++size) {
    const auto elf = parse_elf(shared({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}));
    ASSERT_FALSE(elf.ok()) << "cut to " << size;
    expect_user_error(elf, "truncated ELF");
  }
}

INSTANTIATE_TEST_SUITE_P(Class, ElfTest, testing::Bool(),
                         [](const auto& row) { return row.param ? "Elf64" : "Elf32"; });

struct BadElf {
  std::string name;
  void (*spoil)(Elf64_Ehdr&, Elf64_Phdr&);
  std::string message;
};
void PrintTo(const BadElf& row, std::ostream* out) { *out << row.name; }
class ElfRefuses : public testing::TestWithParam<BadElf> {};

TEST_P(ElfRefuses, File) {
  std::vector<u8> bytes = make_elf(two_segments(true));
  auto header = load_le<Elf64_Ehdr>(bytes.data());
  auto program = load_le<Elf64_Phdr>(bytes.data() + sizeof header);
  GetParam().spoil(header, program);
  store_le(bytes.data(), header);
  store_le(bytes.data() + sizeof header, program);
  expect_user_error(parse_elf(shared(bytes)), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, ElfRefuses,
    testing::Values(
        BadElf{"OtherMachine", [](auto& h, auto&) { h.e_machine = EM_AARCH64; }, "not for x86"},
        BadElf{"Object", [](auto& h, auto&) { h.e_type = ET_REL; }, "no executable"},
        BadElf{"ProgramHeaderSize", [](auto& h, auto&) { h.e_phentsize = 32; }, "another size"},
        BadElf{"NoSegments", [](auto& h, auto&) { h.e_phnum = 0; }, "nothing to load"},
        BadElf{"ManyHeaders", [](auto& h, auto&) { h.e_phnum = 0xffff; }, "truncated ELF program headers"},
        BadElf{"HeadersBeyond", [](auto& h, auto&) { h.e_phoff = 1 << 20; }, "truncated ELF program headers"},
        BadElf{"HeadersAtTheEnd", [](auto& h, auto&) { h.e_phoff = ~u64{0} - 8; }, "truncated"},
        BadElf{"OffsetBeyond", [](auto&, auto& p) { p.p_offset = 1 << 20; }, "truncated ELF segment"},
        BadElf{"OffsetWraps", [](auto&, auto& p) { p.p_offset = ~u64{0} - 100; }, "truncated ELF segment"},
        BadElf{"FileSizeWraps", [](auto&, auto& p) { p.p_filesz = ~u64{0} - 100; }, "truncated ELF segment"},
        BadElf{"MemoryTooSmall", [](auto&, auto& p) { p.p_memsz = 299; }, "smaller in memory"}),
    [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace tandem::tests
