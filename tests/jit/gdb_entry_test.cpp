// What gdb finds of compiled regions: build/tests/jit/jit_test --gtest_filter='GdbEntry*'
#include "jit/llvm/gdb_entry.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>

namespace tandem::jit {

// As gdb reads it.
struct ListForGdb {
  u32 version, action;
  GdbEntry::Link *relevant, *first;
};
extern "C" ListForGdb list_of_gdb asm("__jit_debug_descriptor");

namespace {

std::vector<const GdbEntry::Link*> listed() {
  std::vector<const GdbEntry::Link*> all;
  for (const GdbEntry::Link* link = list_of_gdb.first; link; link = link->next) {
    EXPECT_EQ(link->previous, all.empty() ? nullptr : all.back());
    all.push_back(link);
  }
  return all;
}

// Any file with sections.
std::vector<u8> this_program() {
  std::ifstream in("/proc/self/exe", std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

template <class T>
T read(const GdbEntry::Link& link, u64 at) {
  T v;
  std::memcpy(&v, link.object + at, sizeof v);
  return v;
}

std::optional<u64> address_of_section(const GdbEntry::Link& link, const char* name) {
  const auto header = read<Elf64_Ehdr>(link, 0);
  const auto section = [&](u64 n) { return read<Elf64_Shdr>(link, header.e_shoff + n * header.e_shentsize); };
  const u64 names = section(header.e_shstrndx).sh_offset;
  for (u64 n = 0; n < header.e_shnum; ++n)
    if (!std::strcmp(reinterpret_cast<const char*>(link.object) + names + section(n).sh_name, name))
      return section(n).sh_addr;
  return {};
}

TEST(GdbEntryTest, IsListedForAsLongAsItLives) {
  const std::vector<u8> object = this_program();
  auto first = std::make_optional<GdbEntry>(object, SectionPlaces{});
  auto second = std::make_optional<GdbEntry>(object, SectionPlaces{});
  auto third = std::make_optional<GdbEntry>(object, SectionPlaces{});
  ASSERT_EQ(listed().size(), 3u);
  const GdbEntry::Link *const oldest = listed()[2], *const newest = listed()[0];
  second.reset();
  EXPECT_EQ(listed(), (std::vector{newest, oldest}));
  third.reset();
  EXPECT_EQ(listed(), std::vector{oldest});
  first.reset();
  EXPECT_TRUE(listed().empty());
}

TEST(GdbEntryTest, SaysWhereSectionsAre) {
  constexpr u64 kPlace = 0x7f1234560000;
  const std::vector<u8> object = this_program();
  const GdbEntry without(object, {}), with(object, {{".text", kPlace}, {".symtab", kPlace}});
  ASSERT_EQ(listed().size(), 2u);
  EXPECT_EQ(listed()[0]->size, object.size());
  EXPECT_EQ(address_of_section(*listed()[0], ".text"), kPlace);
  // Not in memory.
  EXPECT_NE(address_of_section(*listed()[0], ".symtab"), kPlace);
  EXPECT_EQ(address_of_section(*listed()[0], ".rodata"), address_of_section(*listed()[1], ".rodata"));
}

}  // namespace
}  // namespace tandem::jit
