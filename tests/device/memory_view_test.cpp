// Private views of guest memory, and marks and counts of what is written.
#include <gtest/gtest.h>

#include <thread>

#include "core/mem/guest_memory.h"

namespace tandem::tests {
namespace {

using mem::GuestMemory;

class MemoryViewTest : public testing::Test {
 protected:
  static u32 at(GuestMemory& m, u64 address) { return m.read_value<u32>(Gpa{address}); }
  static std::vector<u64> dirty(GuestMemory& m) {
    std::vector<u64> pages;
    m.marks().for_each(mem::kDirty, [&](u64 page) { pages.push_back(page); });
    return pages;
  }

  std::unique_ptr<GuestMemory> memory = GuestMemory::create(4 * MiB).take();
  std::unique_ptr<GuestMemory> view = GuestMemory::private_view(*memory).take();
};

TEST_F(MemoryViewTest, ShowsTheOriginalUntilItIsWritten) {
  memory->write_value<u32>(Gpa{0x3000}, 1);
  EXPECT_EQ(at(*view, 0x3000), 1u);
  view->write_value<u32>(Gpa{0x3000}, 2);
  memory->write_value<u32>(Gpa{0x3004}, 3);
  memory->write_value<u32>(Gpa{0x4000}, 4);
  EXPECT_EQ(at(*view, 0x3000), 2u);
  EXPECT_EQ(at(*view, 0x3004), 0u) << "the page is the view's own now";
  EXPECT_EQ(at(*view, 0x4000), 4u);
  EXPECT_EQ(at(*memory, 0x3000), 1u);
}

TEST_F(MemoryViewTest, WritesAreDroppedWithTheirMarks) {
  const std::vector<u64> pages = {0, 1, 7, 8, 9, 1023};
  for (const u64 page : pages) view->write_value<u32>(Gpa{page * kPageSize + 8}, 5);
  EXPECT_EQ(dirty(*view), pages);
  EXPECT_EQ(dirty(*memory), std::vector<u64>{});
  memory->write_value<u32>(Gpa{7 * kPageSize + 8}, 6);
  view->drop_writes();
  EXPECT_EQ(dirty(*view), std::vector<u64>{});
  for (const u64 page : pages) EXPECT_EQ(at(*view, page * kPageSize + 8), page == 7 ? 6u : 0u) << page;
}

TEST_F(MemoryViewTest, AddressesLeadToTheSamePlaces) {
  const u64 offset = memory->allocate(64 * KiB).take();
  const mem::Mapping mapping = memory->map(Gpa{0xe0000000}, 64 * KiB, {offset, offset});
  memory->write_value<u32>(Gpa{0xe0001000}, 7);
  EXPECT_EQ(at(*view, 0xe0001000), 7u);
  view->write_value<u32>(Gpa{0xe0001000}, 8);
  EXPECT_EQ(at(*memory, 0xe0001000), 7u);
  EXPECT_FALSE(memory->is_private());
  EXPECT_TRUE(view->is_private());
}

TEST_F(MemoryViewTest, WritesOfOtherThreadsAreCounted) {
  memory->watch_writes();
  memory->write_value<u32>(Gpa{0x3000}, 1);
  EXPECT_EQ(memory->watched_writes(), 0u);
  std::jthread([&] { memory->write_value<u32>(Gpa{0x3000}, 2); }).join();
  EXPECT_EQ(memory->watched_writes(), 1u);
  memory->watch_writes();
  EXPECT_EQ(memory->watched_writes(), 0u);
}

}  // namespace
}  // namespace tandem::tests
