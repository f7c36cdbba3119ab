// What leads where in a plan: build/tests/jit/jit_test --gtest_filter='PlanFlow*'
#include "jit/llvm/plan_flow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/bits.h"
#include "tests/jit/plan_blocks.h"

namespace tandem::jit {

namespace {

using testing::ElementsAre;

const std::vector<u8> kRet = {0xc3};

std::vector<u8> near(u8 opcode, PlaceInRegion from, PlaceInRegion to) {
  std::vector<u8> code = {opcode, 0, 0, 0, 0};
  store_le<u32>(code.data() + 1, static_cast<u32>(to - (from + 5)));
  return code;
}
std::vector<u8> call(PlaceInRegion from, PlaceInRegion to) { return near(0xe8, from, to); }
std::vector<u8> jmp(PlaceInRegion from, PlaceInRegion to) { return near(0xe9, from, to); }

class PlanFlowTest : public testing::Test {
 protected:
  std::vector<PlaceInRegion> return_places(PlaceInRegion at) const {
    const PlanFlow flow(blocks_.plan());
    return flow.return_places(flow.find_block(at).value());
  }
  // Places of those that an edge closes a loop to.
  std::vector<PlaceInRegion> loops() const {
    const PlanFlow flow(blocks_.plan());
    std::vector<PlaceInRegion> heads;
    for (const PlanFlow::Edge& e : flow.edges())
      if (e.back) heads.push_back(blocks_.plan().blocks[e.to].at);
    return heads;
  }
  PlanBlocks blocks_;
};

// A loop that calls two functions one after the other.
class TwoFunctions : public PlanFlowTest {
 protected:
  TwoFunctions() {
    blocks_.add(0x20, call(0x20, 0x100));
    blocks_.add(0x25, call(0x25, 0x200));
    blocks_.add(0x2a, jmp(0x2a, 0x20));
    blocks_.add(0x100, kRet);
  }
};

TEST_F(TwoFunctions, EachReturnsToItsOwnCaller) {
  blocks_.add(0x200, kRet);
  EXPECT_THAT(return_places(0x100), ElementsAre(0x25));
  EXPECT_THAT(return_places(0x200), ElementsAre(0x2a));
  EXPECT_THAT(loops(), ElementsAre(0x20));
}

TEST_F(TwoFunctions, WhatWasSeenIsAmongThem) {
  blocks_.add(0x200, kRet, {0x20});
  EXPECT_THAT(return_places(0x200), ElementsAre(0x20, 0x2a));
}

TEST_F(TwoFunctions, ATailThatBothJumpToReturnsToBoth) {
  blocks_.add(0x200, jmp(0x200, 0x100));
  EXPECT_THAT(return_places(0x100), ElementsAre(0x25, 0x2a));
}

TEST_F(TwoFunctions, AFunctionThatCallsGoesOnBehindIt) {
  blocks_.add(0x200, call(0x200, 0x100));
  blocks_.add(0x205, kRet);
  EXPECT_THAT(return_places(0x100), ElementsAre(0x25, 0x205));
  EXPECT_THAT(return_places(0x205), ElementsAre(0x2a));
}

TEST_F(PlanFlowTest, AnIndirectCallIsOfWhatItWasSeenToCall) {
  blocks_.add(0x20, {0xff, 0xd0}, {0x100});  // CALL RAX
  blocks_.add(0x22, jmp(0x22, 0x20));
  blocks_.add(0x100, kRet);
  blocks_.add(0x200, kRet);
  EXPECT_THAT(return_places(0x100), ElementsAre(0x22));
  EXPECT_THAT(return_places(0x200), ElementsAre());
}

}  // namespace

}  // namespace tandem::jit
