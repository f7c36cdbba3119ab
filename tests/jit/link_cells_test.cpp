// From which pages links across pages may be gone by: build/tests/jit/jit_test --gtest_filter='LinkCells.*'
#include "jit/runtime/link_cells.h"

#include <gtest/gtest.h>

namespace tandem::jit {
namespace {

constexpr u64 kFrom = 0x40'0000, kTo = 0x41'0000;

TEST(LinkCells, HoldNoPageAtFirst) {
  LinkCells cells = LinkCells::create().take();
  u64* const one = cells.next();
  EXPECT_EQ(*one, LinkCells::kNowhere);
  EXPECT_NE(cells.next(), one);
  EXPECT_LT(reinterpret_cast<u64>(one), u64{1} << 31);
}

TEST(LinkCells, AreForgottenWithTheirTargetsPage) {
  LinkCells cells = LinkCells::create().take();
  u64 &one = *cells.next(), &other = *cells.next();
  cells.set(one, kFrom, kTo);
  cells.set(other, kFrom, kTo + kPageSize);
  cells.forget(kFrom);
  EXPECT_EQ(one, kFrom);
  cells.forget(kTo);
  EXPECT_EQ(one, LinkCells::kNowhere);
  EXPECT_EQ(other, kFrom);
  cells.forget();
  EXPECT_EQ(other, LinkCells::kNowhere);
}

// A link that was right elsewhere before.
TEST(LinkCells, AreForgottenWhereverTheyLedTo) {
  LinkCells cells = LinkCells::create().take();
  u64& cell = *cells.next();
  cells.set(cell, kFrom, kTo);
  cells.set(cell, kFrom + kPageSize, kTo + kPageSize);
  EXPECT_EQ(cell, kFrom + kPageSize);
  cells.forget(kTo + kPageSize);
  EXPECT_EQ(cell, LinkCells::kNowhere);
}

TEST(LinkCells, AreForgottenRatherThanThatTheirListGrows) {
  LinkCells cells = LinkCells::create().take();
  u64 &first = *cells.next(), &second = *cells.next();
  cells.set(first, kFrom, kTo);
  for (u64 n = 1; n <= LinkCells::kCells; ++n) cells.set(second, kFrom + n * kPageSize, kTo + n * kPageSize);
  EXPECT_EQ(first, LinkCells::kNowhere);
  EXPECT_EQ(second, kFrom + LinkCells::kCells * kPageSize);
}

TEST(LinkCells, SayWhenThereAreNoMore) {
  LinkCells cells = LinkCells::create().take();
  for (u64 n = 0; n < LinkCells::kCells; ++n) ASSERT_TRUE(cells.next());
  EXPECT_FALSE(cells.next());
  cells.clear();
  ASSERT_TRUE(cells.next());
}

}  // namespace
}  // namespace tandem::jit
