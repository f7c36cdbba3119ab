// virtio-blk's requests (VIRTIO 1.2, 5.2.6) on a disk whose requests wait until they are let go.
#include "devices/virtio/block.h"
#include "tests/support/fake_disk.h"
#include "tests/virtio/virtio_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices::virtio;

constexpr u32 kIn = 0, kOut = 1, kFlush = 4, kGetId = 8, kDiscard = 11, kZeroes = 13;
constexpr u64 kSectors = 2048;
constexpr u8 kUntouched = 0xee;

class BlockTest : public VirtioTest {
 protected:
  static constexpr u64 kHeader = 0x30000, kStatusByte = 0x30100;
  explicit BlockTest(bool read_only = false) : disk(kSectors * 512, read_only) {
    plug(std::make_unique<Block>(bench.context(), "vda", disk, "serial-of-vda", u16{2}));
  }
  void request(u32 type, u64 sector, std::vector<Piece> data) {
    memory().write_value<u32>(Gpa{kHeader}, type);
    memory().write_value<u64>(Gpa{kHeader + 8}, sector);
    memory().write_value(Gpa{kStatusByte}, kUntouched);
    data.insert(data.begin(), {kHeader, 16});
    data.push_back({kStatusByte, 1, true});
    ring->add(1, data);
    kick();
  }
  u8 status_after(u32 type, u64 sector, std::vector<Piece> data = {}) {
    request(type, sector, std::move(data));
    disk.go();
    EXPECT_TRUE(ring->take_used());
    return memory().read_value<u8>(Gpa{kStatusByte});
  }
  // A range to discard or to clear.
  Piece range(u64 sector, u32 count, u32 flags = 0) {
    memory().write_value(Gpa{kData}, sector);
    memory().write_value(Gpa{kData + 8}, u64{flags} << 32 | count);
    return {kData, 16};
  }
  void begin(RingForm form = {false, true, true}) {
    ring.emplace(start(form, offered() & ~(kPacked | kIndirect | kEventIndex), 0, 16));
  }

  FakeDisk disk;
  std::optional<DriverRing> ring;
};

class ReadOnlyBlockTest : public BlockTest {
 protected:
  ReadOnlyBlockTest() : BlockTest(true) {}
};

TEST_F(BlockTest, Configuration) {
  EXPECT_EQ(bench.read(kConfig, 8), kSectors);
  EXPECT_EQ(bench.read(kConfig + 20, 4), 512u);
  EXPECT_EQ(bench.read(kConfig + 34, 2), 2u) << "queues";
  EXPECT_EQ(get(0x12, 2), 2u);
  EXPECT_FALSE(offered() & u64{1} << 5) << "writable";
  EXPECT_TRUE(offered() & u64{1} << 13) << "discard";
}

TEST_F(BlockTest, ReadsWithoutACopy) {
  begin();
  request(kIn, 3, {{kData, 700, true}, {kData + 0x800, 324, true}});
  ASSERT_EQ(disk.waiting.size(), 1u);
  EXPECT_EQ(disk.waiting[0].offset, 3 * 512u);
  EXPECT_EQ(disk.waiting[0].buffers[0].iov_base, memory().base() + kData);
  EXPECT_EQ(memory().read_value<u8>(Gpa{kStatusByte}), kUntouched);
  disk.go();
  const auto used = ring->take_used();
  ASSERT_TRUE(used);
  EXPECT_EQ(used->written, 1025u);
  EXPECT_EQ(memory().read_value<u8>(Gpa{kStatusByte}), 0);
  std::vector<u8> got = in_memory(kData, 700), rest = in_memory(kData + 0x800, 324);
  got.insert(got.end(), rest.begin(), rest.end());
  EXPECT_EQ(got, std::vector<u8>(disk.content.begin() + 3 * 512, disk.content.begin() + 5 * 512));
  EXPECT_EQ(msi.take(), std::vector<u32>{kQueueData});
}

TEST_F(BlockTest, ReadsWhatIsAtHandAtOnce) {
  begin();
  disk.at_hand = true;
  request(kIn, 3, {{kData, 4096, true}});
  EXPECT_TRUE(disk.waiting.empty());
  const auto used = ring->take_used();
  ASSERT_TRUE(used);
  EXPECT_EQ(used->written, 4097u);
  EXPECT_EQ(memory().read_value<u8>(Gpa{kStatusByte}), 0);
  EXPECT_EQ(in_memory(kData, 4096),
            std::vector<u8>(disk.content.begin() + 3 * 512, disk.content.begin() + 11 * 512));
  EXPECT_EQ(msi.take(), std::vector<u32>{kQueueData});
}

TEST_F(BlockTest, ReadsSoMuchAtOnceAndNoMore) {
  begin();
  disk.at_hand = true;
  constexpr u32 kPiece = 256 * KiB;
  for (u16 i = 0; i < 5; ++i) {
    memory().write_value<u32>(Gpa{kHeader}, kIn);
    memory().write_value<u64>(Gpa{kHeader + 8}, 0);
    ring->add(i, {{kHeader, 16}, {kData, kPiece, true}, {kStatusByte, 1, true}});
  }
  kick();
  EXPECT_EQ(disk.waiting.size(), 1u) << "the fifth is for another thread";
  for (unsigned i = 0; i < 4; ++i) EXPECT_TRUE(ring->take_used());
  disk.go();
  EXPECT_TRUE(ring->take_used());
}

TEST_F(BlockTest, WritesAndFlushes) {
  begin({true, true, false});
  const std::vector<u8> data(1024, 0x5a);
  memory().write(Gpa{kData}, data);
  EXPECT_EQ(status_after(kOut, 10, {{kData, 512}, {kData + 512, 512}}), 0);
  EXPECT_TRUE(std::equal(data.begin(), data.end(), disk.content.begin() + 10 * 512));
  EXPECT_EQ(disk.flushes, 0u);
  EXPECT_EQ(status_after(kFlush, 0), 0);
  EXPECT_EQ(disk.flushes, 1u);
}

// 5.2.6.1 with ANY_LAYOUT: header, data and status may be cut and joined as the driver likes.
TEST_F(BlockTest, AnyLayout) {
  begin();
  memory().write_value<u32>(Gpa{kHeader}, kOut);
  memory().write_value<u64>(Gpa{kHeader + 8}, 7);
  memory().fill(Gpa{kHeader + 16}, 0x77, 512);
  ring->add(1, {{kHeader, 3}, {kHeader + 3, 21}, {kHeader + 24, 504}, {kStatusByte, 1, true}});
  kick();
  disk.go();
  EXPECT_EQ(disk.content[7 * 512], 0x77);
  EXPECT_EQ(disk.content[8 * 512 - 1], 0x77);
  memory().write_value<u32>(Gpa{kHeader}, kIn);
  ring->add(2, {{kHeader, 16}, {kData, 513, true}});
  kick();
  disk.go();
  EXPECT_EQ(in_memory(kData, 513), ([] {
              std::vector<u8> expected(513, 0x77);
              expected[512] = 0;
              return expected;
            })());
}

TEST_F(BlockTest, Identity) {
  begin();
  EXPECT_EQ(status_after(kGetId, 0, {{kData, 20, true}}), 0);
  std::vector<u8> expected = {'s', 'e', 'r', 'i', 'a', 'l', '-', 'o', 'f', '-', 'v', 'd', 'a'};
  expected.resize(20);
  EXPECT_EQ(in_memory(kData, 20), expected);
}

// 5.2.6.2
TEST_F(BlockTest, DiscardAndWriteZeroes) {
  begin();
  request(kDiscard, 0, {range(8, 16)});
  ASSERT_EQ(disk.waiting.size(), 1u);
  EXPECT_EQ(disk.waiting[0].op, devices::BlockOp::Discard);
  EXPECT_EQ(disk.waiting[0].offset, 8 * 512u);
  EXPECT_EQ(disk.waiting[0].length, 16 * 512u);
  disk.go();
  ring->take_used();
  request(kZeroes, 0, {range(1, 2, 1)});
  ASSERT_EQ(disk.waiting.size(), 1u);
  EXPECT_EQ(disk.waiting[0].op, devices::BlockOp::WriteZeroes);
  disk.go();
  EXPECT_EQ(memory().read_value<u8>(Gpa{kStatusByte}), 0);
}

TEST_F(BlockTest, WhatIsRefused) {
  begin();
  const Piece sector{kData, 512, true}, out{kData, 512};
  EXPECT_EQ(status_after(kIn, kSectors, {sector}), 1) << "behind the end";
  EXPECT_EQ(status_after(kIn, kSectors - 1, {{kData, 1024, true}}), 1) << "over the end";
  EXPECT_EQ(status_after(kIn, ~u64{0}, {sector}), 1);
  EXPECT_EQ(status_after(kIn, 0, {{kData, 100, true}}), 1) << "no whole sector";
  EXPECT_EQ(status_after(kOut, kSectors, {out}), 1);
  EXPECT_EQ(status_after(99, 0), 2);
  EXPECT_EQ(status_after(kDiscard, 0, {range(kSectors - 1, 2)}), 1);
  EXPECT_EQ(status_after(kDiscard, 0, {range(0, 1, 1)}), 2) << "a flag of the other request";
  EXPECT_EQ(status_after(kDiscard, 0, {{kData, 32}}), 2) << "two ranges";
  EXPECT_EQ(status_after(kZeroes, 0, {range(0, 1, 4)}), 2);
  EXPECT_EQ(status_after(kGetId, 0, {{kData, 4, true}}), 1);
  disk.answer = devices::BlockStatus::IoError;
  EXPECT_EQ(status_after(kIn, 0, {sector}), 1);
  EXPECT_EQ(status_after(kFlush, 0), 1);
  EXPECT_FALSE(status() & kNeedsReset);
}

TEST_F(BlockTest, RequestsWithoutHeaderOrStatusStopTheDevice) {
  for (const std::vector<Piece>& pieces :
       {std::vector<Piece>{{kHeader, 15}, {kStatusByte, 1, true}}, std::vector<Piece>{{kHeader, 16}}}) {
    begin();
    ring->add(1, pieces);
    kick();
    EXPECT_TRUE(status() & kNeedsReset);
  }
}

TEST_F(ReadOnlyBlockTest, OnlyReads) {
  begin();
  EXPECT_TRUE(offered() & u64{1} << 5);
  EXPECT_FALSE(offered() & (u64{1} << 13 | u64{1} << 14));
  EXPECT_EQ(status_after(kIn, 0, {{kData, 512, true}}), 0);
  EXPECT_EQ(status_after(kOut, 0, {{kData, 512}}), 1);
  EXPECT_EQ(status_after(kZeroes, 0, {range(0, 1)}), 2);
}

// 2.4.1: a reset ends when nothing of the device reaches guest memory any more.
TEST_F(BlockTest, ResetWaitsForWhatIsUnderWay) {
  begin();
  request(kIn, 0, {{kData, 512, true}});
  msi.take();
  set_status(0);
  EXPECT_NE(status(), 0u);
  set_status(kAcknowledge);
  disk.go();
  EXPECT_EQ(status(), 0u);
  EXPECT_FALSE(ring->take_used());
  EXPECT_EQ(msi.take(), std::vector<u32>{});
  begin();
  EXPECT_EQ(status_after(kIn, 0, {{kData, 512, true}}), 0);
}

TEST_F(BlockTest, RequestsGivenTwiceStopTheDevice) {
  begin({false, false, false});
  for (unsigned i = 0; i < 2000 && !(status() & kNeedsReset); ++i) request(kIn, 0, {{kData, 512, true}});
  EXPECT_TRUE(status() & kNeedsReset);
  EXPECT_LE(disk.waiting.size(), 2 * 512 + 1u) << "as many as the queues have places";
  disk.go();
}

TEST_F(BlockTest, ManyAtOnceEndInAnyOrder) {
  begin({true, true, true});
  for (u16 i = 0; i < 16; ++i) {
    const u64 header = kHeader + 0x200u * i;
    memory().write_value<u32>(Gpa{header}, kIn);
    memory().write_value<u64>(Gpa{header + 8}, i);
    ring->add(i, {{header, 16}, {kData + 0x200u * i, 512, true}, {header + 16, 1, true}});
  }
  kick();
  ASSERT_EQ(disk.waiting.size(), 16u);
  std::reverse(disk.waiting.begin(), disk.waiting.end());
  disk.go();
  for (u16 i = 0; i < 16; ++i) EXPECT_EQ(ring->take_used()->id, 15 - i);
  EXPECT_EQ(in_memory(kData, 16 * 512),
            std::vector<u8>(disk.content.begin(), disk.content.begin() + 16 * 512));
}

}  // namespace
}  // namespace tandem::tests
