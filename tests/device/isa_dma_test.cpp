// The DMA controllers by their registers (8237A data sheet), and what moves through them.
#include <gtest/gtest.h>

#include "devices/platform/isa_dma.h"
#include "tests/support/device_bench.h"

namespace tandem::tests {
namespace {

class IsaDmaTest : public testing::Test {
 protected:
  IsaDmaTest() {
    bench.map_ports(0x00, 16, dma.low_ports());
    bench.map_ports(0xc0, 32, dma.high_ports());
    bench.map_ports(0x81, 15, dma.page_ports());
  }
  mem::GuestMemory& memory() { return bench.context().memory; }
  // Channel 2, as a floppy driver programs it.
  void program(u8 mode, u32 address, u16 count) {
    bench.out(0x0a, 6);
    bench.out(0x0c, 0);
    bench.out(0x0b, mode | 2);
    bench.out(0x04, address & 0xff);
    bench.out(0x04, address >> 8 & 0xff);
    bench.out(0x05, count & 0xff);
    bench.out(0x05, count >> 8);
    bench.out(0x81, address >> 16);
    bench.out(0x0a, 2);
  }
  u16 word(u16 port) {
    const u64 low = bench.in(port);
    return static_cast<u16>(low | bench.in(port) << 8);
  }

  DeviceBench bench;
  devices::IsaDma dma{bench.context()};
  const std::vector<u8> bytes = {1, 2, 3, 4, 5, 6, 7, 8};
};

TEST_F(IsaDmaTest, MovesUntilTheCountIsReached) {
  program(0x44, 0x23456, 5);
  auto moved = dma.to_memory(2, std::span(bytes).first(4));
  EXPECT_EQ(moved.bytes, 4u);
  EXPECT_FALSE(moved.terminal_count);
  EXPECT_EQ(word(0x04), 0x345au);
  EXPECT_EQ(word(0x05), 1u);
  moved = dma.to_memory(2, std::span(bytes).subspan(4));
  EXPECT_EQ(moved.bytes, 2u);
  EXPECT_TRUE(moved.terminal_count);
  EXPECT_EQ(memory().read_value<u64>(Gpa{0x23456}), 0x0000060504030201u);
  EXPECT_EQ(bench.in(0x08), 0x04u) << "terminal count of channel 2";
  EXPECT_EQ(bench.in(0x08), 0x00u) << "gone by reading";
  EXPECT_EQ(dma.to_memory(2, bytes).bytes, 0u) << "masked by itself";
  EXPECT_EQ(bench.in(0x0f), 0x0fu);
}

TEST_F(IsaDmaTest, KindsOfTransfer) {
  struct Row {
    const char* name;
    u8 mode;
    u32 moved;
    u64 memory;
  };
  for (const Row& row : {Row{"to memory", 0x44, 8, 0x0807060504030201}, Row{"verify", 0x40, 8, 0},
                         Row{"from memory", 0x48, 0, 0}, Row{"downwards", 0x64, 8, 0x01}}) {
    SCOPED_TRACE(row.name);
    memory().fill(Gpa{0x5000}, 0, 8);
    program(row.mode, 0x5000, 0xff);
    EXPECT_EQ(dma.to_memory(2, bytes).bytes, row.moved);
    EXPECT_EQ(memory().read_value<u64>(Gpa{0x5000}), row.memory);
  }
}

TEST_F(IsaDmaTest, AddressStaysInItsPage) {
  program(0x44, 0x4fffe, 0xff);
  dma.to_memory(2, std::span(bytes).first(4));
  EXPECT_EQ(memory().read_value<u16>(Gpa{0x4fffe}), 0x0201u);
  EXPECT_EQ(memory().read_value<u16>(Gpa{0x40000}), 0x0403u);
}

TEST_F(IsaDmaTest, WordChannelsAndAutoInitialisation) {
  memory().write(Gpa{0x30002}, bytes);
  bench.out(0xd6, 0x59);  // channel 5, from memory, again and again
  for (const u8 b : {0x01, 0x80}) bench.out(0xc4, b);
  for (const u8 b : {0x01, 0x00}) bench.out(0xc6, b);
  bench.out(0x8b, 0x02);
  bench.out(0xd4, 1);
  std::vector<u8> got(6);
  const auto moved = dma.from_memory(5, got);
  EXPECT_EQ(moved.bytes, 4u);
  EXPECT_TRUE(moved.terminal_count);
  EXPECT_EQ(got, (std::vector<u8>{1, 2, 3, 4, 0, 0}));
  EXPECT_EQ(dma.from_memory(5, got).bytes, 4u);
}

TEST_F(IsaDmaTest, MasterClearMasksAll) {
  program(0x44, 0x1000, 0xff);
  bench.out(0x0d, 0);
  EXPECT_EQ(dma.to_memory(2, bytes).bytes, 0u);
  bench.out(0x0e, 0);
  EXPECT_EQ(dma.to_memory(2, bytes).bytes, 8u);
  bench.out(0x08, 4);
  EXPECT_EQ(dma.to_memory(2, bytes).bytes, 0u) << "controller disabled";
}

}  // namespace
}  // namespace tandem::tests
