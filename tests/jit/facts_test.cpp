// Which addresses a region need not check: build/tests/jit/jit_test --gtest_filter='Facts*'
#include "jit/llvm/facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/jit/plan_blocks.h"

namespace tandem::jit {

namespace {

constexpr u8 kRax = 0, kRcx = 1, kRdx = 2, kNone = AddressKey::kNone;

class FactsTest : public testing::Test {
 protected:
  bool is_known_at_head(u32 block, u8 reg) const {
    const FactsOfRegion facts(blocks_.plan(), blocks_.decoded(), PlanFlow(blocks_.plan()).edges());
    return facts.at_head(block).find({reg, kNone, 0}).has_value();
  }
  PlanBlocks blocks_;
};

TEST_F(FactsTest, ALoopKnowsWhatEachTurnProves) {
  // L: MOV RAX, [RCX]; ADD RCX, 8; JMP L
  blocks_.add(0, {0x48, 0x8b, 0x01, 0x48, 0x83, 0xc1, 0x08, 0xeb, 0xf7});
  EXPECT_TRUE(is_known_at_head(0, kRcx));
}

TEST_F(FactsTest, WhatIsLoadedAnewInEachTurnIsNotAskedOfWhoEnters) {
  // L: MOV RAX, [RCX]; MOV RDX, [RAX]; JMP L
  blocks_.add(0, {0x48, 0x8b, 0x01, 0x48, 0x8b, 0x10, 0xeb, 0xf8});
  EXPECT_TRUE(is_known_at_head(0, kRcx));
  EXPECT_FALSE(is_known_at_head(0, kRax)) << "proved by each turn, but of no use for the next";
}

TEST_F(FactsTest, AnAddressMayBeInAnotherRegisterBeforeItIsUsed) {
  // L: LEA RDX, [RCX+16]; MOV RAX, [RDX]; MOV RAX, [RCX]; JMP L
  blocks_.add(0, {0x48, 0x8d, 0x51, 0x10, 0x48, 0x8b, 0x02, 0x48, 0x8b, 0x01, 0xeb, 0xf4});
  EXPECT_TRUE(is_known_at_head(0, kRcx));
  EXPECT_FALSE(is_known_at_head(0, kRdx));
}

TEST_F(FactsTest, AnAddressIsOfUseOnAnyWayOn) {
  // L: TEST EAX, EAX; JZ M; MOV RAX, [RCX]; JMP L; M: MOV RDX, [RCX]; JMP L
  blocks_.add(0x00, {0x85, 0xc0, 0x74, 0x05});
  blocks_.add(0x04, {0x48, 0x8b, 0x01, 0xeb, 0xf7});
  blocks_.add(0x09, {0x48, 0x8b, 0x11, 0xeb, 0xf2});
  EXPECT_TRUE(is_known_at_head(0, kRcx));
  EXPECT_FALSE(is_known_at_head(0, kRdx));
}

}  // namespace

}  // namespace tandem::jit
