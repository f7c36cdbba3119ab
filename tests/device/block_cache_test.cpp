// Blocks on a page that is written to beside them.
#include "core/interp/block.h"

#include <gtest/gtest.h>

namespace tandem::tests {
namespace {

using interp::Block;
using interp::BlockCache;

constexpr u64 kHere = 0x5000;

class BlockCacheTest : public testing::Test {
 protected:
  void add_code() {
    for (const u64 offset : {0x100u, 0x200u}) {
      Block& block = cache.make();
      block.key.physical = kHere + offset;
      block.bytes = 16;
      cache.add(block);
    }
  }
  bool write(u64 offset) { return cache.invalidate(kHere + offset, 8, nullptr); }
  // Writes beside the code until it is gone.
  unsigned writes_taken() {
    unsigned n = 1;
    while (write(0x800) && n < 4 * BlockCache::kPatience) ++n;
    return n;
  }

  BlockCache cache;
};

TEST_F(BlockCacheTest, AWriteDropsTheBlocksThatItOverlaps) {
  add_code();
  EXPECT_TRUE(write(0x10c));
  EXPECT_FALSE(cache.find({kHere + 0x100, 0}));
  EXPECT_TRUE(cache.find({kHere + 0x200, 0}));
  EXPECT_FALSE(write(0x1f9));
  EXPECT_FALSE(cache.has_page(kHere >> kPageShift));
}

TEST_F(BlockCacheTest, APageIsGivenUpAfterManyWritesBesideItsCode) {
  add_code();
  EXPECT_EQ(writes_taken(), BlockCache::kPatience);
  EXPECT_FALSE(cache.has_page(kHere >> kPageShift));
  EXPECT_FALSE(cache.find({kHere + 0x100, 0}));
}

TEST_F(BlockCacheTest, CodeThatComesBackStaysLonger) {
  add_code();
  writes_taken();
  add_code();
  EXPECT_EQ(writes_taken(), 2 * BlockCache::kPatience);
  cache.clear();
  add_code();
  EXPECT_EQ(writes_taken(), BlockCache::kPatience);
}

}  // namespace
}  // namespace tandem::tests
