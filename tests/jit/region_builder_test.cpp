// Which blocks become a region: build/tests/jit/jit_test --gtest_filter='RegionBuilder*'
//
// Each program is a few blocks of real code; a graph of them is all that the builder asks for.
#include "jit/regions/region_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/base/bits.h"
#include "core/cpu/cpuid_models.h"
#include "core/isa/decode.h"
#include "core/isa/op.h"

namespace tandem::jit {

namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

class Program final : public BlockGraph {
 public:
  Program() {
    cpu_.model = &model_;
    cpu_.mode.code_size = 8;
    cpu_.mode.protected_mode = cpu_.mode.long_mode = true;
  }

  // A block at `at`; targets: where its indirect branch was seen to go.
  void add(PlaceInRegion at, std::vector<u8> bytes, std::vector<PlaceInRegion> targets = {}) {
    Code& code = blocks_[at];
    code.block.code.assign(bytes.begin(), bytes.end());
    code.targets = std::move(targets);
    decode(code);
    code.block.key.physical = code.translation.rip = static_cast<u64>(at);
    Translation& t = code.translation;
    t.block = &code.block;
    t.insns.resize(code.block.count + 1);
    // Each access is hosted.
    t.regions.assign(2 * code.block.count, 2);
  }
  // One that never ran.
  void add_unrun(PlaceInRegion at, std::vector<u8> bytes) { unrun_[at] = std::move(bytes); }
  Translation& at(PlaceInRegion place) { return blocks_.at(place).translation; }

  Translation* block_at(PlaceInRegion place) override {
    const auto it = blocks_.find(place);
    return it == blocks_.end() ? nullptr : &it->second.translation;
  }
  Translation* block_made_at(PlaceInRegion place) override {
    if (const auto it = unrun_.find(place); it != unrun_.end()) add(place, it->second);
    return block_at(place);
  }
  std::vector<PlaceInRegion> targets_of(const Translation&, PlaceInRegion at) override {
    return blocks_.at(at).targets;
  }

 private:
  struct Code {
    std::vector<PlaceInRegion> targets;
    interp::Block block;
    Translation translation;
  };

  void decode(Code& code) {
    for (std::size_t at = 0; at < code.block.code.size();) {
      isa::Insn insn;
      ASSERT_EQ(decoder_.decode(cpu_, std::span(std::as_const(code.block.code)).subspan(at), 8,
                                static_cast<u16>(at), insn),
                isa::DecodeStatus::Ok);
      code.block.insns.push_back(insn);
      ++code.block.count;
      at += insn.length;
    }
    code.block.bytes = static_cast<u32>(code.block.code.size());
  }

  const cpu::CpuModel model_ = cpu::default_cpu_model();
  cpu::Cpu cpu_;
  isa::Decoder decoder_{model_};
  std::map<PlaceInRegion, Code> blocks_;
  std::map<PlaceInRegion, std::vector<u8>> unrun_;
};

const std::vector<u8> kRet = {0xc3};

std::vector<u8> jump(u8 opcode, PlaceInRegion from, PlaceInRegion to) {
  return {0xff, 0xc0, opcode, static_cast<u8>(to - (from + 4))};  // INC EAX; Jcc or JMP
}
std::vector<u8> jnz(PlaceInRegion from, PlaceInRegion to) { return jump(0x75, from, to); }
std::vector<u8> jmp(PlaceInRegion from, PlaceInRegion to) { return jump(0xeb, from, to); }
std::vector<u8> call(PlaceInRegion from, PlaceInRegion to) {
  std::vector<u8> code = {0xe8, 0, 0, 0, 0};
  store_le<u32>(code.data() + 1, static_cast<u32>(to - (from + 5)));
  return code;
}

std::vector<PlaceInRegion> places(const std::optional<BuiltRegion>& region) {
  std::vector<PlaceInRegion> all;
  if (region)
    for (const PlanBlock& p : region->plan.blocks) all.push_back(p.at);
  return all;
}

class RegionBuilderTest : public testing::Test {
 protected:
  std::vector<PlaceInRegion> loop_of(PlaceInRegion hot, bool inner = false) {
    return places(RegionBuilder(program_).loop_of(program_.at(hot), inner));
  }
  Program program_;
};

TEST_F(RegionBuilderTest, StraightCodeIsNone) {
  program_.add(0x10, jmp(0x10, 0x20));
  program_.add(0x20, jmp(0x20, 0x30));
  EXPECT_THAT(loop_of(0x10), ElementsAre());
}

TEST_F(RegionBuilderTest, LoopBeginsWhereItsLowestBranchGoesBackTo) {
  program_.add(0x10, jmp(0x10, 0x20));
  program_.add(0x20, jnz(0x20, 0x30));
  program_.add(0x24, jmp(0x24, 0x20));
  program_.add(0x30, jmp(0x30, 0x20));
  EXPECT_THAT(loop_of(0x30), ElementsAre(0x20, 0x24, 0x30)) << "without 0x10, which is not come back to";
  EXPECT_THAT(loop_of(0x30, true), ElementsAre(0x30, 0x20, 0x24)) << "the hot one first";
}

TEST_F(RegionBuilderTest, AnyHotBlockOfALoopMakesTheSamePlan) {
  program_.add(0x20, jnz(0x20, 0x30));
  program_.add(0x24, jmp(0x24, 0x20));
  program_.add(0x30, jmp(0x30, 0x20));
  EXPECT_EQ(loop_of(0x24), loop_of(0x30));
  EXPECT_EQ(loop_of(0x20), loop_of(0x30));
}

TEST_F(RegionBuilderTest, CalledFunctionsAreInItWithAllTheirWays) {
  program_.add(0x20, call(0x20, 0x100));
  program_.add(0x25, jmp(0x25, 0x20));
  program_.add(0x100, jnz(0x100, 0x110));
  program_.add(0x104, kRet);
  program_.add(0x110, kRet, {0x25});
  EXPECT_THAT(loop_of(0x20), ElementsAre(0x20, 0x25, 0x100, 0x104, 0x110));
}

TEST_F(RegionBuilderTest, AFunctionIsNoHeadOfItsCallersLoop) {
  program_.add(0x20, kRet, {0x105});
  program_.add(0x100, call(0x100, 0x20));
  program_.add(0x105, jmp(0x105, 0x100));
  EXPECT_THAT(loop_of(0x20), ElementsAre(0x100, 0x20, 0x105));
}

TEST_F(RegionBuilderTest, HotFunctionFindsTheLoopOfItsCaller) {
  program_.add(0x20, call(0x20, 0x100));
  program_.add(0x25, jmp(0x25, 0x20));
  program_.add(0x100, kRet, {0x25});
  EXPECT_THAT(loop_of(0x100), UnorderedElementsAre(0x20, 0x25, 0x100));
}

TEST_F(RegionBuilderTest, RecursionIsALoop) {
  program_.add(0x20, jnz(0x20, 0x30));
  program_.add(0x24, call(0x24, 0x20));
  program_.add(0x29, jmp(0x29, 0x30));
  program_.add(0x30, kRet, {0x29});
  EXPECT_THAT(loop_of(0x20), UnorderedElementsAre(0x20, 0x24, 0x29, 0x30));
}

TEST_F(RegionBuilderTest, LoopsThatCallWhatIsNotKnownAreLeftForThoseInThem) {
  program_.add(0x20, jmp(0x20, 0x30));
  program_.add(0x30, jnz(0x30, 0x30));  // the inner loop
  program_.add(0x34, call(0x34, 0x100));
  program_.add(0x39, jmp(0x39, 0x20));
  EXPECT_THAT(loop_of(0x30), ElementsAre(0x30));
  EXPECT_THAT(loop_of(0x34), ElementsAre(0x20, 0x30, 0x34, 0x39)) << "it is in no other";
  program_.add(0x100, kRet, {0x39});
  EXPECT_THAT(loop_of(0x30), ElementsAre(0x20, 0x30, 0x34, 0x39, 0x100));
}

TEST_F(RegionBuilderTest, FunctionsThatAlwaysLeaveAreNotCalledInLoops) {
  program_.add(0x20, jmp(0x20, 0x30));
  program_.add(0x30, jnz(0x30, 0x30));
  program_.add(0x34, call(0x34, 0x100));
  program_.add(0x39, jmp(0x39, 0x20));
  program_.add(0x100, {0x0f, 0xa2, 0xc3});  // CPUID; RET
  EXPECT_THAT(loop_of(0x30), ElementsAre(0x30));
}

TEST_F(RegionBuilderTest, NoWayLeadsOnFromWhatIsNotLifted) {
  program_.add(0x20, {0x0f, 0xa2, 0xeb, 0xfc});  // CPUID; JMP 0x20
  EXPECT_THAT(loop_of(0x20), ElementsAre());
}

TEST_F(RegionBuilderTest, TargetsOutsideAreLeftOut) {
  program_.add(0x20, {0xff, 0xe0}, {0x5000, 0x30});  // JMP RAX
  program_.add(0x30, jmp(0x30, 0x20));
  const auto region = RegionBuilder(program_).loop_of(program_.at(0x20), false);
  ASSERT_TRUE(region);
  EXPECT_THAT(region->plan.blocks[0].targets, ElementsAre(0x30));
}

// An earlier run's region of a loop at 0x1020, found by the block at `hot`, which is a page lower now.
class StoredRegionTest : public RegionBuilderTest {
 protected:
  StoredRegionTest() {
    outline_.key = {1, 2};
    outline_.blocks = {{0x20, jnz(0x20, 0x30)}, {0x24, jmp(0x24, 0x20)}, {0x1030, jmp(0x1030, 0x1020)}};
  }
  std::optional<BuiltRegion> as_stored(PlaceInRegion hot) {
    return RegionBuilder(program_).as_stored(outline_, program_.at(hot));
  }
  RegionOutline outline_;
};

TEST_F(StoredRegionTest, IsWhereAnyBlockOfItIs) {
  program_.add(0x30, jmp(0x1030, 0x1020));
  program_.add(-0xfe0, jnz(0x20, 0x30));
  program_.add(-0xfdc, jmp(0x24, 0x20));
  const auto region = as_stored(0x30);
  EXPECT_THAT(places(region), ElementsAre(0x20, 0x24, 0x1030)) << "from the page of the one that is entered";
  ASSERT_TRUE(region);
  EXPECT_EQ(region->plan.stored, outline_.key);
  EXPECT_EQ(region->blocks[0], &program_.at(-0xfe0));
}

TEST_F(StoredRegionTest, WhatNeverRanIsMade) {
  program_.add(0x24, jmp(0x24, 0x20));
  program_.add_unrun(0x20, jnz(0x20, 0x30));
  program_.add_unrun(0x1030, jmp(0x1030, 0x1020));
  EXPECT_THAT(places(as_stored(0x24)), ElementsAre(0x20, 0x24, 0x1030));
}

TEST_F(StoredRegionTest, OtherCodeIsAnotherRegion) {
  program_.add(0x20, jnz(0x20, 0x30));
  program_.add(0x24, jmp(0x24, 0x28));
  program_.add(0x1030, jmp(0x1030, 0x1020));
  EXPECT_FALSE(as_stored(0x20));
}

TEST_F(StoredRegionTest, NothingIsMadeIfWhatIsThereIsOtherCode) {
  program_.add(0x24, jmp(0x24, 0x20));
  program_.add_unrun(0x20, jnz(0x20, 0x30));
  program_.add(0x1030, jmp(0x1030, 0x1028));
  EXPECT_FALSE(as_stored(0x24));
  EXPECT_EQ(program_.block_at(0x20), nullptr);
}

TEST_F(StoredRegionTest, CodeThatIsNowhereIsNoRegion) {
  program_.add(0x20, jnz(0x20, 0x30));
  program_.add(0x24, jmp(0x24, 0x20));
  EXPECT_FALSE(as_stored(0x20));
}

}  // namespace

}  // namespace tandem::jit
