// For which mappings a page of code was found: build/tests/jit/jit_test --gtest_filter='PageCells.*'
#include "jit/runtime/page_cells.h"

#include <gtest/gtest.h>

namespace tandem::jit {
namespace {

constexpr u64 kPage = 0xffff'ffff'8100'0000, kPhysical = 0x100'0000;

TEST(PageCells, ArePagesOwn) {
  PageCells cells = PageCells::create().take();
  u64& one = cells.of(kPage, kPhysical, true);
  EXPECT_EQ(&cells.of(kPage, kPhysical, true), &one);
  EXPECT_NE(&cells.of(kPage + kPageSize, kPhysical, true), &one);
  EXPECT_NE(&cells.of(kPage, kPhysical + kPageSize, true), &one);
  EXPECT_NE(&cells.of(kPage, kPhysical, false), &one);
  EXPECT_LT(reinterpret_cast<u64>(&one), u64{1} << 31);
}

TEST(PageCells, HoldForNoGenerationAtFirst) {
  PageCells cells = PageCells::create().take();
  EXPECT_EQ(cells.of(kPage, kPhysical, true), ~u64{0});
}

TEST(PageCells, OfOnePageAreInvalidated) {
  PageCells cells = PageCells::create().take();
  cells.of(kPage, kPhysical, true) = 7;
  cells.of(kPage + kPageSize, kPhysical, true) = 7;
  cells.invalidate(kPage);
  EXPECT_NE(cells.of(kPage, kPhysical, true), 7u);
  EXPECT_EQ(cells.of(kPage + kPageSize, kPhysical, true), 7u);
}

TEST(PageCells, OfBlocksInTwoPagesGoWithEither) {
  PageCells cells = PageCells::create().take();
  u64 &first = cells.of_crossing(kPage), &second = cells.of_crossing(kPage);
  EXPECT_NE(&first, &second);
  first = second = 7;
  cells.invalidate(kPage + kPageSize);
  EXPECT_NE(first, 7u);
  EXPECT_NE(second, 7u);
  first = 7;
  cells.invalidate(kPage);
  EXPECT_NE(first, 7u);
}

// One physical page behind the other at one address.
TEST(PageCells, OfAllThatWasAtAnAddressAreInvalidated) {
  PageCells cells = PageCells::create().take();
  cells.of(kPage, kPhysical, true) = cells.of(kPage, kPhysical + kPageSize, false) = 7;
  cells.invalidate(kPage);
  EXPECT_NE(cells.of(kPage, kPhysical, true), 7u);
  EXPECT_NE(cells.of(kPage, kPhysical + kPageSize, false), 7u);
}

TEST(PageCells, AllAtOnce) {
  PageCells cells = PageCells::create().take();
  cells.of(kPage, kPhysical, true) = cells.of_crossing(kPage) = 7;
  cells.invalidate_all();
  EXPECT_NE(cells.of(kPage, kPhysical, true), 7u);
}

TEST(PageCells, SayWhenThereAreNoMore) {
  PageCells cells = PageCells::create().take();
  for (u64 n = 0; n < PageCells::kCells; ++n) {
    ASSERT_TRUE(cells.has_room());
    cells.of(n * kPageSize, kPhysical, true);
  }
  EXPECT_FALSE(cells.has_room());
  cells.clear();
  EXPECT_TRUE(cells.has_room());
}

}  // namespace
}  // namespace tandem::jit
