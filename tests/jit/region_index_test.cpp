// Regions of earlier runs by their blocks: build/tests/jit/jit_test --gtest_filter='RegionIndex*'
#include "jit/llvm/region_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tandem::jit {

namespace {

using testing::ElementsAre;

class RegionIndexTest : public testing::Test {
 protected:
  // Regions by the first number of their keys.
  void add(u64 key, std::vector<RegionOutline::Block> blocks) {
    index_.add({.key = {key, 0}, .verdict = {}, .settings = settings_, .blocks = std::move(blocks)});
  }
  std::vector<u64> with_block(u64 offset, std::vector<u8> bytes) const {
    std::vector<u64> keys;
    for (const auto& outline : index_.with_block(settings_, offset, bytes)) keys.push_back(outline->key.high);
    return keys;
  }

  RegionIndex index_;
  PlanSettings settings_{.widest_vector = 32};
};

TEST_F(RegionIndexTest, FindsByAnyBlockTheLargestFirst) {
  add(1, {{0x10, {0x90}}});
  add(2, {{0x10, {0x90}}, {0x2020, {0xc3}}});
  EXPECT_THAT(with_block(0x10, {0x90}), ElementsAre(2, 1));
  EXPECT_THAT(with_block(0x20, {0xc3}), ElementsAre(2)) << "its offset in its page";
}

TEST_F(RegionIndexTest, OtherBytesPlacesAndSettingsHaveNone) {
  add(1, {{0x10, {0x90}}});
  EXPECT_THAT(with_block(0x10, {0xcc}), ElementsAre());
  EXPECT_THAT(with_block(0x11, {0x90}), ElementsAre());
  settings_.limited = true;
  EXPECT_THAT(with_block(0x10, {0x90}), ElementsAre());
}

TEST_F(RegionIndexTest, ARegionAddedAgainIsThereOnce) {
  add(1, {{0x10, {0x90}}});
  add(1, {{0x10, {0x90}}});
  EXPECT_THAT(with_block(0x10, {0x90}), ElementsAre(1));
}

TEST_F(RegionIndexTest, KeepsVerdicts) {
  add(1, {{0x10, {0x90}}});
  add(2, {{0x10, {0x90}}, {0x20, {0xc3}}});
  index_.judge({2, 0}, RegionVerdict::Pays);
  index_.judge({3, 0}, RegionVerdict::Fails);
  const auto found = index_.with_block(settings_, 0x10, std::vector<u8>{0x90});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0]->verdict, RegionVerdict::Pays);
  EXPECT_EQ(found[1]->verdict, RegionVerdict::Untried);
}

}  // namespace

}  // namespace tandem::jit
