// Guest pages in the host's address space: build/tests/jit/jit_test --gtest_filter='HostedSpace.*'
#include "jit/hosted/space.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "core/mem/guest_memory.h"

namespace tandem::jit {
namespace {

using Frame = interp::TierFrame;

constexpr u64 kStack = 0x7ffc'1234'5000, kHeap = 0x5566'0000'0000, kLow = 0x40'0000;

class HostedSpaceTest : public testing::Test {
 protected:
  HostedSpaceTest() : memory_(mem::GuestMemory::create(1 * MiB).take()), space_(memory_->fd()) {
    // pipe(2): the kernel says of any address whether it could be read, or written to.
    EXPECT_EQ(pipe2(pipe_, O_NONBLOCK), 0);
  }
  ~HostedSpaceTest() override {
    close(pipe_[0]);
    close(pipe_[1]);
  }

  u64 host_of(u64 linear) const {
    return linear + std::ranges::find(space_.regions(), Window::key_of(linear), &Frame::Region::key)->addend;
  }
  bool is_readable(u64 linear) const {
    u8 byte;
    const bool can = write(pipe_[1], reinterpret_cast<void*>(host_of(linear)), 1) == 1;
    if (can) EXPECT_EQ(read(pipe_[0], &byte, 1), 1);
    return can;
  }
  bool is_writable(u64 linear) const {
    const u8 byte = 0x5a;
    EXPECT_EQ(write(pipe_[1], &byte, 1), 1);
    const bool can = read(pipe_[0], reinterpret_cast<void*>(host_of(linear)), 1) == 1;
    u8 left;
    if (!can) EXPECT_EQ(read(pipe_[0], &left, 1), 1);
    return can;
  }
  u8& guest_byte(u64 offset) { return memory_->base()[offset]; }

  std::unique_ptr<mem::GuestMemory> memory_;
  HostedSpace space_;
  int pipe_[2];
};

TEST_F(HostedSpaceTest, RegionsOfOneProcessHaveOneDistance) {
  ASSERT_TRUE(space_.set_up(kStack));
  const auto heap = space_.region_for(kHeap);
  ASSERT_TRUE(heap);
  EXPECT_GE(*heap, Frame::kFirstInGs);
  EXPECT_EQ(space_.regions()[*heap].addend, space_.gs_base());
  EXPECT_EQ(space_.regions()[Frame::kStackRegion].addend, space_.gs_base());
  EXPECT_EQ(space_.regions()[*heap].key, Window::key_of(kHeap));
  EXPECT_EQ(space_.region_for(kStack), Frame::kStackRegion);
  EXPECT_EQ(space_.region_for(kHeap + 64 * KiB), heap);
}

TEST_F(HostedSpaceTest, LowAddressesOfAProcessHaveADistanceOfTheirOwn) {
  ASSERT_TRUE(space_.set_up(kStack));
  const auto low = space_.region_for(kLow);
  ASSERT_TRUE(low);
  EXPECT_LT(*low, Frame::kFirstInGs);
  EXPECT_NE(*low, 0) << "is kept for 32-bit code";
  EXPECT_TRUE(space_.assign(0, kLow));
  EXPECT_EQ(space_.regions()[0].addend, space_.regions()[*low].addend);
}

TEST_F(HostedSpaceTest, AWildStackPointerIsNoReasonToFail) {
  EXPECT_TRUE(space_.set_up(0xdead'beef'0123'4567));
  EXPECT_EQ(space_.regions()[Frame::kStackRegion].key, 0u);
}

TEST_F(HostedSpaceTest, NothingIsThereUntilItIsMapped) {
  ASSERT_TRUE(space_.set_up(kStack));
  EXPECT_FALSE(is_readable(kStack));
  EXPECT_FALSE(is_readable(kStack & ~(Window::kBytes - 1))) << "the region's first byte";
  EXPECT_FALSE(is_readable((kStack & ~(Window::kBytes - 1)) - Window::kGuard)) << "the guard's";
}

TEST_F(HostedSpaceTest, PagesAreTheGuests) {
  ASSERT_TRUE(space_.set_up(kStack));
  guest_byte(5 * kPageSize) = 0x77;
  ASSERT_TRUE(space_.map({kStack, 5 * kPageSize, 2, true}));
  EXPECT_EQ(*reinterpret_cast<u8*>(host_of(kStack)), 0x77);
  *reinterpret_cast<u8*>(host_of(kStack) + kPageSize) = 0x88;
  EXPECT_EQ(guest_byte(6 * kPageSize), 0x88);
  EXPECT_FALSE(is_readable(kStack + 2 * kPageSize));
  EXPECT_EQ(space_.linear_of(host_of(kStack) + 17), kStack + 17);
  EXPECT_EQ(space_.linear_of(0x1000), std::nullopt);
}

TEST_F(HostedSpaceTest, WhatIsDroppedGoesAtTheNextBoundary) {
  ASSERT_TRUE(space_.set_up(kStack));
  ASSERT_TRUE(space_.map({kStack, 0, 4, true}));
  space_.drop((kStack >> kPageShift) + 1, 2);
  EXPECT_TRUE(is_readable(kStack + kPageSize)) << "code that runs may still rely on it";
  EXPECT_EQ(space_.settle(), 1u) << "neighbours go together";
  EXPECT_TRUE(is_readable(kStack));
  EXPECT_FALSE(is_readable(kStack + kPageSize));
  EXPECT_FALSE(is_readable(kStack + 2 * kPageSize));
  EXPECT_TRUE(is_readable(kStack + 3 * kPageSize));
  EXPECT_EQ(space_.settle(), 0u);
}

TEST_F(HostedSpaceTest, DropsWhatLiesOnBothSidesOfARegionsEnd) {
  ASSERT_TRUE(space_.set_up(kStack));
  const u64 edge = align_up(kStack, Window::kBytes) - Window::kBytes, below = edge - kPageSize;
  ASSERT_TRUE(space_.region_for(below));
  ASSERT_TRUE(space_.map({below, 0x3000, 1, false}));
  ASSERT_TRUE(space_.map({edge, 0x4000, 1, false}));
  EXPECT_TRUE(is_readable(below));
  EXPECT_TRUE(is_readable(edge));
  space_.drop(below >> kPageShift, 2);
  space_.settle();
  EXPECT_FALSE(is_readable(below));
  EXPECT_FALSE(is_readable(edge));
}

TEST_F(HostedSpaceTest, APageThatIsMappedAnewInTheMeantimeStays) {
  ASSERT_TRUE(space_.set_up(kStack));
  guest_byte(0) = 1;
  guest_byte(kPageSize) = 2;
  ASSERT_TRUE(space_.map({kStack, 0, 1, true}));
  space_.drop(kStack >> kPageShift, 1);
  ASSERT_TRUE(space_.map({kStack, kPageSize, 1, true}));
  space_.settle();
  ASSERT_TRUE(is_readable(kStack));
  EXPECT_EQ(*reinterpret_cast<u8*>(host_of(kStack)), 2);
}

TEST_F(HostedSpaceTest, PagesThatCanNotBeWrittenAreNot) {
  ASSERT_TRUE(space_.set_up(kStack));
  ASSERT_TRUE(space_.map({kStack, 0, 1, false}));
  EXPECT_TRUE(is_readable(kStack));
  EXPECT_FALSE(is_writable(kStack));
}

TEST_F(HostedSpaceTest, ProtectingAPageTakesAwayWhereverItCanBeWritten) {
  ASSERT_TRUE(space_.set_up(kStack));
  ASSERT_TRUE(space_.map({kStack, 3 * kPageSize, 1, true}));
  ASSERT_TRUE(space_.map({kStack + 8 * kPageSize, 3 * kPageSize, 1, true}));
  ASSERT_TRUE(space_.map({kStack + 9 * kPageSize, 3 * kPageSize, 1, false}));
  space_.protect(3);
  space_.settle();
  EXPECT_FALSE(is_writable(kStack));
  EXPECT_FALSE(is_writable(kStack + 8 * kPageSize));
  EXPECT_TRUE(is_readable(kStack + 9 * kPageSize));
}

TEST_F(HostedSpaceTest, DropsAllAtOnce) {
  ASSERT_TRUE(space_.set_up(kStack));
  ASSERT_TRUE(space_.region_for(kHeap));
  ASSERT_TRUE(space_.map({kStack, 0, 2, true}));
  ASSERT_TRUE(space_.map({kHeap, 0, 2, true}));
  space_.drop_all();
  space_.settle();
  EXPECT_FALSE(is_readable(kStack));
  EXPECT_FALSE(is_readable(kHeap));
  EXPECT_EQ(space_.pages(), 0u);
  EXPECT_TRUE(space_.map({kStack, 0, 1, true}));
  EXPECT_TRUE(is_readable(kStack));
}

// What the host has to keep apart: it has room for so many only.
TEST_F(HostedSpaceTest, CountsPieces) {
  ASSERT_TRUE(space_.set_up(kStack));
  ASSERT_TRUE(space_.map({kStack, 0, 4, true}));
  EXPECT_EQ(space_.pieces(), 1u);
  ASSERT_TRUE(space_.map({kStack + 4 * kPageSize, 4 * kPageSize, 2, true}));
  EXPECT_EQ(space_.pieces(), 1u) << "goes on where the other ends";
  ASSERT_TRUE(space_.map({kStack + 6 * kPageSize, 6 * kPageSize, 1, false}));
  EXPECT_EQ(space_.pieces(), 2u) << "not writable";
  ASSERT_TRUE(space_.map({kStack + 7 * kPageSize, 9 * kPageSize, 1, false}));
  EXPECT_EQ(space_.pieces(), 3u) << "from elsewhere";
  space_.drop((kStack >> kPageShift) + 2, 1);
  EXPECT_EQ(space_.pieces(), 4u) << "a hole";
  ASSERT_TRUE(space_.map({kStack + 2 * kPageSize, 2 * kPageSize, 1, true}));
  EXPECT_EQ(space_.pieces(), 3u) << "filled";
  space_.drop(kStack >> kPageShift, 8);
  EXPECT_EQ(space_.pieces(), 0u);
}

}  // namespace
}  // namespace tandem::jit
