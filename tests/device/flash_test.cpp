// Flash by its commands (Intel 28F008 data sheet), and what reaches its file.
#include "devices/platform/flash.h"

#include <gtest/gtest.h>

#include "tests/support/device_bench.h"
#include "tests/support/fake_disk.h"

namespace tandem::tests {
namespace {

using devices::Flash;

constexpr u64 kBase = 0xfff00000, kSize = 4 * Flash::kBlock;

class FlashTest : public testing::Test {
 protected:
  FlashTest() {
    std::ranges::fill(file.content, u8{0xff});
    std::memset(memory().base() + offset, 0xff, kSize);
    bench.map_memory(kBase, kSize, flash);
  }
  mem::GuestMemory& memory() { return bench.context().memory; }
  void out(u64 at, u8 value) { bench.write(kBase + at, value, 1); }
  u8 in(u64 at) { return static_cast<u8>(bench.read(kBase + at, 1)); }
  void program(u64 at, u8 value) {
    out(at, 0x10);
    out(at, value);
  }
  void erase(u64 at, u8 confirm = 0xd0) {
    out(at, 0x20);
    out(at, confirm);
  }
  const u8* mapped() { return memory().host(Gpa{kBase}); }

  DeviceBench bench;
  u64 offset = bench.context().memory.allocate(kSize).take();
  FakeDisk file{kSize};
  Flash flash{bench.context(), {Gpa{kBase}, offset, kSize}, &file};
};

TEST_F(FlashTest, IsMemoryUntilACommand) {
  ASSERT_EQ(mapped(), memory().base() + offset);
  EXPECT_EQ(memory().host_for_write(Gpa{kBase}), nullptr);
  out(0, 0x70);
  EXPECT_EQ(mapped(), nullptr);
  EXPECT_EQ(in(5), 0x80);
  out(0, 0xff);
  EXPECT_NE(mapped(), nullptr);
}

TEST_F(FlashTest, ProgrammingClearsBits) {
  program(3, 0x5a);
  program(3, 0xf0);
  EXPECT_EQ(in(3), 0x80) << "its status";
  out(0, 0xff);
  EXPECT_EQ(in(3), 0x50);
  EXPECT_EQ(in(4), 0xff);
}

TEST_F(FlashTest, ErasesABlock) {
  for (const u64 at : {u64{0}, Flash::kBlock, 2 * Flash::kBlock - 1, 2 * Flash::kBlock}) program(at, 0);
  erase(Flash::kBlock + 77);
  out(0, 0xff);
  EXPECT_EQ(in(0), 0);
  EXPECT_EQ(in(Flash::kBlock), 0xff);
  EXPECT_EQ(in(2 * Flash::kBlock - 1), 0xff);
  EXPECT_EQ(in(2 * Flash::kBlock), 0);
}

TEST_F(FlashTest, EraseWantsToBeConfirmed) {
  program(0, 0);
  erase(0, 0xff);
  EXPECT_EQ(in(0), 0xb0);
  out(0, 0x50);
  EXPECT_EQ(in(0), 0);
  out(0, 0xff);
  EXPECT_EQ(in(0), 0);
}

TEST_F(FlashTest, SaysWhatItIs) {
  out(0x55, 0x98);
  EXPECT_EQ(bench.read(kBase + 0x10, 4) & 0xffffff, 0x595251u);
  EXPECT_EQ(in(0x27), 14);
  EXPECT_EQ(in(0x2d), 3);
  out(0, 0x90);
  EXPECT_EQ(in(0), 0x89);
}

// One write of a block at a time; what changes meanwhile follows.
TEST_F(FlashTest, ChangesReachTheFile) {
  program(1, 0x11);
  program(Flash::kBlock, 0x22);
  program(2, 0x33);
  EXPECT_EQ(file.waiting.size(), 1u);
  file.go();
  EXPECT_EQ(file.content[1], 0x11);
  EXPECT_EQ(file.content[2], 0x33);
  EXPECT_EQ(file.content[Flash::kBlock], 0x22);
}

TEST_F(FlashTest, ResetIsMemoryAgain) {
  out(0, 0x20);
  flash.reset(machine::ResetKind::System);
  EXPECT_NE(mapped(), nullptr);
  out(0, 0x70);
  EXPECT_EQ(in(0), 0x80);
}

}  // namespace
}  // namespace tandem::tests
