// Where branches find their translation: build/tests/jit/jit_test --gtest_filter='JumpTable.*'
#include "jit/runtime/jump_table.h"

#include <gtest/gtest.h>

namespace tandem::jit {
namespace {

const u8 kMiss = 0, kOne = 1, kTwo = 2;

class JumpTableTest : public testing::Test {
 protected:
  const u8* entry(u64 rip) const {
    return reinterpret_cast<const u8*>(table_.entries()[rip & (JumpTable::kEntries - 1)]);
  }
  JumpTable table_ = JumpTable::create(&kMiss).take();
};

TEST_F(JumpTableTest, LiesWhereCodeCanNameIt) {
  EXPECT_LT(reinterpret_cast<u64>(table_.entries() + 2 * JumpTable::kEntries), u64{1} << 31);
}

TEST_F(JumpTableTest, LeadsToTheMissAtFirst) {
  EXPECT_EQ(entry(0x401234), &kMiss);
  EXPECT_EQ(table_.find(0), nullptr);
  EXPECT_EQ(table_.find(~u64{0}), nullptr);
}

TEST_F(JumpTableTest, FindsByTheWholeAddress) {
  table_.set(0x401234, &kOne, false);
  EXPECT_EQ(entry(0x401234), &kOne);
  EXPECT_EQ(table_.find(0x401234), &kOne);
  EXPECT_EQ(table_.find(0x411234), nullptr) << "the same low bits";
  table_.set(0x411234, &kTwo, false);
  EXPECT_EQ(table_.find(0x401234), nullptr);
  EXPECT_EQ(table_.find(0x411234), &kTwo);
}

TEST_F(JumpTableTest, GlobalEntriesStayOverAChangeOfAddressSpaces) {
  table_.set(0x1000, &kOne, true);
  table_.set(0x2000, &kTwo, false);
  table_.clear_local();
  EXPECT_EQ(table_.find(0x1000), &kOne);
  EXPECT_EQ(table_.find(0x2000), nullptr);
  EXPECT_EQ(entry(0x2000), &kMiss);
  table_.clear();
  EXPECT_EQ(table_.find(0x1000), nullptr);
}

TEST_F(JumpTableTest, RemovesThePageAndNoOther) {
  table_.set(0x7f00'0000'1000, &kOne, false);
  table_.set(0x7f00'0000'1fff, &kOne, false);
  table_.set(0x7f00'0000'2000, &kTwo, false);
  table_.set(0x7f00'0000'0fff, &kTwo, false);
  table_.remove_page(0x7f00'0000'1000);
  EXPECT_EQ(table_.find(0x7f00'0000'1000), nullptr);
  EXPECT_EQ(entry(0x7f00'0000'1fff), &kMiss);
  EXPECT_EQ(table_.find(0x7f00'0000'2000), &kTwo);
  EXPECT_EQ(table_.find(0x7f00'0000'0fff), &kTwo);
  table_.set(0x1000, &kOne, true);
  table_.remove_page(0x7f00'0000'1000);
  EXPECT_EQ(table_.find(0x1000), &kOne) << "the same entries, another page";
}

TEST_F(JumpTableTest, RemovesPagesThatWereFilledAfterAChangeOfAddressSpaces) {
  table_.set(0x1000, &kOne, true);
  table_.set(0x2000, &kOne, false);
  table_.clear_local();
  table_.set(0x2000, &kTwo, false);
  for (const u64 page : {0x1000u, 0x2000u}) {
    table_.remove_page(page);
    EXPECT_EQ(table_.find(page), nullptr);
  }
}

TEST_F(JumpTableTest, FillsAndEmpties) {
  for (u64 rip = 0; rip < 3 * JumpTable::kEntries; ++rip) table_.set(rip, rip & 1 ? &kOne : &kTwo, rip & 2);
  EXPECT_EQ(table_.find(3 * JumpTable::kEntries - 1), &kOne);
  table_.clear();
  for (u64 rip = 0; rip < JumpTable::kEntries; ++rip) ASSERT_EQ(entry(rip), &kMiss) << rip;
}

TEST_F(JumpTableTest, RemovesBlocksWithTheirSecondPage) {
  const u8 code = 0;
  table_.set(0x5ffe, &code, false, true);
  table_.set(0x5ff0, &code, false);
  table_.remove_page(0x6000);
  EXPECT_EQ(table_.find(0x5ffe), nullptr);
  EXPECT_EQ(table_.find(0x5ff0), &code);
}

}  // namespace
}  // namespace tandem::jit
