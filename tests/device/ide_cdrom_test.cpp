// ATAPI CD-ROM. Sections: ATA/ATAPI-6, 8.23 and 9.10; MMC-3.
#include "core/base/bits.h"
#include "tests/device/ide_fixture.h"

namespace tandem::tests {
namespace {

using Cdb = std::array<u8, 12>;

class IdeCdrom : public IdeTest {
 protected:
  static constexpr u8 kReasonCommand = 1, kReasonToHost = 2;

  void packet(const Cdb& cdb, u16 limit = 0xfffe, bool dma = false) {
    bench.out(kDevice, 0xb0);
    bench.out(kError, dma);
    bench.out(kMid, limit & 0xff);
    bench.out(kHigh, limit >> 8);
    bench.out(kStatus, 0xa0);
    ASSERT_EQ(in8(kStatus) & (kBsy | kDrq | kErr), kDrq);
    ASSERT_EQ(in8(kCount) & 3, kReasonCommand);
    ASSERT_FALSE(bench.wires.level(14));
    write_data(cdb);
    disc->go();
  }
  // Data of a packet command, by its DRQ blocks.
  std::vector<u8> reply() {
    std::vector<u8> all;
    while (alternate_status() & kDrq) {
      EXPECT_TRUE(bench.wires.level(14));
      in8(kStatus);
      EXPECT_EQ(in8(kCount) & 3, kReasonToHost);
      const u64 n = in8(kMid) | u64{in8(kHigh)} << 8;
      const std::vector<u8> block = read_data(n);
      all.insert(all.end(), block.begin(), block.end());
      disc->go();
    }
    EXPECT_TRUE(bench.wires.level(14));
    EXPECT_EQ(in8(kCount) & 3, kReasonCommand | kReasonToHost);
    last_status = in8(kStatus);
    return all;
  }
  std::vector<u8> ask(const Cdb& cdb) {
    packet(cdb);
    return reply();
  }
  // Key, code and qualifier of a command's end; zeros where it was well.
  std::array<u8, 3> sense_of(const Cdb& cdb) {
    ask(cdb);
    if (!(last_status & kErr)) return {0, 0, 0};
    EXPECT_NE(in8(kError) >> 4, 0);
    const std::vector<u8> sense = ask({0x03, 0, 0, 0, 18});
    return {sense[2], sense[12], sense[13]};
  }
  std::vector<u8> on_disc(u64 sector, u64 count) const {
    const auto at = disc->content.begin() + static_cast<i64>(sector * 2048);
    return {at, at + static_cast<i64>(count * 2048)};
  }
  u8 last_status = 0;
};

using Sense = std::array<u8, 3>;
constexpr Sense kNone{0, 0, 0}, kNoMedium{2, 0x3a, 1}, kTrayOpen{2, 0x3a, 2}, kChanged{6, 0x28, 0};

TEST_F(IdeCdrom, Identify) {
  bench.out(kDevice, 0xb0);
  bench.out(kStatus, 0xec);  // 9.12: refused, with the signature
  EXPECT_EQ(in8(kStatus) & kErr, kErr);
  EXPECT_EQ(in8(kMid) | in8(kHigh) << 8, 0xeb14);
  bench.out(kStatus, 0xa1);
  const std::vector<u8> id = read_data(512);
  EXPECT_EQ(load_le<u16>(&id[0]), 0x85c0);
}

TEST_F(IdeCdrom, Reads) {
  EXPECT_EQ(ask({0x28, 0, 0, 0, 0, 16, 0, 0, 1}), on_disc(16, 1));
  EXPECT_EQ(ask({0xa8, 0, 0, 0, 0, 3, 0, 0, 0, 200}), on_disc(3, 200));
  EXPECT_EQ(ask({0xbe, 0, 0, 0, 0, 9, 0, 0, 2, 0x10}), on_disc(9, 2));
  EXPECT_EQ(ask({0x28, 0, 0, 0, 0, 16, 0, 0, 0}), std::vector<u8>());
}

// 8.23.4: no DRQ block is longer than the guest allows.
TEST_F(IdeCdrom, ByteCountLimit) {
  packet({0x28, 0, 0, 0, 0, 1, 0, 0, 2}, 1000);
  std::vector<unsigned> sizes;
  while (alternate_status() & kDrq) {
    sizes.push_back(in8(kMid) | in8(kHigh) << 8);
    read_data(sizes.back());
  }
  EXPECT_EQ(sizes, (std::vector<unsigned>{1000, 1000, 1000, 1000, 96}));
}

TEST_F(IdeCdrom, ReadsByBusMaster) {
  write_table({{kBuffer, 0x8000}, {0x30000, 0x8000}});
  packet({0x28, 0, 0, 0, 0, 7, 0, 0, 32}, 0, true);
  start_master(true);
  disc->go();
  EXPECT_EQ(master_status() & 7, 4);
  EXPECT_EQ(in8(kStatus), 0x50);
  std::vector<u8> got = in_memory(kBuffer, 0x8000), second = in_memory(0x30000, 0x8000);
  got.insert(got.end(), second.begin(), second.end());
  EXPECT_EQ(got, on_disc(7, 32));
}

TEST_F(IdeCdrom, RepliesByBusMaster) {
  write_table({{kBuffer, 8}});
  packet({0x25}, 0, true);
  start_master(true);
  EXPECT_EQ(in8(kStatus), 0x50);
  const std::vector<u8> got = in_memory(kBuffer, 8);
  EXPECT_EQ(load_be<u32>(&got[0]), kDiscSectors - 1);
  EXPECT_EQ(load_be<u32>(&got[4]), 2048u);
}

TEST_F(IdeCdrom, Senses) {
  const std::pair<Cdb, Sense> rows[] = {
      {{0x00}, kNone},
      {{0x28, 0, 0, 0, 0x01, 0x2c, 0, 0, 1}, {5, 0x21, 0}},  // behind the end
      {{0x28, 0, 0, 0, 0x01, 0x2b, 0, 0, 2}, {5, 0x21, 0}},  // over the end
      {{0xa8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {5, 0x21, 0}},
      {{0x2b, 0, 0, 0, 0x01, 0x2c}, {5, 0x21, 0}},
      {{0xbe, 0, 0, 0, 0, 0, 0, 0, 1, 0xf8}, {5, 0x24, 0}},  // raw sectors
      {{0x43, 0, 5, 0, 0, 0, 0, 0, 20}, {5, 0x24, 0}},       // CD-TEXT
      {{0x5a, 0, 0x3e, 0, 0, 0, 0, 0, 64}, {5, 0x24, 0}},
      {{0x5a, 0, 0xea, 0, 0, 0, 0, 0, 64}, {5, 0x39, 0}},
      {{0x12, 1, 0, 0, 36}, {5, 0x24, 0}},
      {{0x2a, 0, 0, 0, 0, 0, 0, 0, 1}, {5, 0x20, 0}},  // WRITE
      {{0x55}, {5, 0x20, 0}},
      {{0xff}, {5, 0x20, 0}},
  };
  for (const auto& [cdb, sense] : rows) EXPECT_EQ(sense_of(cdb), sense) << int{cdb[0]} << " " << int{cdb[2]};
}

TEST_F(IdeCdrom, Replies) {
  EXPECT_EQ(ask({0x12, 0, 0, 0, 5}), (std::vector<u8>{0x05, 0x80, 0x00, 0x21, 31}));
  EXPECT_EQ(ask({0x12, 0, 0, 0, 36}).size(), 36u);
  const std::vector<u8> toc = ask({0x43, 0, 0, 0, 0, 0, 0, 0, 100});
  EXPECT_EQ(toc,
            (std::vector<u8>{0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0x01, 0x2c}));
  const std::vector<u8> msf = ask({0x43, 2, 0, 0, 0, 0, 0, 0, 100});
  EXPECT_EQ(std::vector(msf.begin() + 8, msf.begin() + 12), (std::vector<u8>{0, 0, 2, 0}));
  EXPECT_EQ(std::vector(msf.begin() + 16, msf.end()), (std::vector<u8>{0, 0, 6, 0}));  // 300 + 150 frames
  EXPECT_EQ(ask({0x43, 0, 1, 0, 0, 0, 0, 0, 12}).size(), 12u);
  EXPECT_EQ(ask({0x43, 0, 2, 0, 0, 0, 0, 1, 0}).size(), 4 + 4 * 11u);
  const std::vector<u8> configuration = ask({0x46, 0, 0, 0, 0, 0, 0, 1, 0});
  EXPECT_EQ(load_be<u32>(&configuration[0]), configuration.size() - 4);
  EXPECT_EQ(configuration[7], 8);  // CD-ROM is the current profile
  EXPECT_EQ(ask({0x46, 2, 0, 0x10, 0, 0, 0, 1, 0}).size(), 8 + 12u);
  const std::vector<u8> page = ask({0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 64});
  EXPECT_EQ(page.size(), 8 + 20u);
  EXPECT_EQ(load_be<u16>(&page[0]), page.size() - 2);
  EXPECT_EQ(ask({0x51, 0, 0, 0, 0, 0, 0, 0, 34}).size(), 34u);
  EXPECT_EQ(ask({0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8}).size(), 8u);
}

// MMC-3, 6.7 and 6.28: another disc is told once by sense, once by event.
TEST_F(IdeCdrom, MediumChange) {
  ASSERT_TRUE(ide->channel(0).insert(1, nullptr));
  EXPECT_EQ(sense_of({0x00}), kNoMedium);
  EXPECT_EQ(sense_of({0x25}), kNoMedium);
  EXPECT_EQ(ask({0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}), (std::vector<u8>{0, 6, 4, 0x10, 3, 0, 0, 0}));
  FakeDisk other(50 * 2048, true);
  ASSERT_TRUE(ide->channel(0).insert(1, &other));
  EXPECT_EQ(ask({0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}), (std::vector<u8>{0, 6, 4, 0x10, 2, 2, 0, 0}));
  EXPECT_EQ(ask({0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}), (std::vector<u8>{0, 6, 4, 0x10, 0, 2, 0, 0}));
  EXPECT_EQ(sense_of({0x00}), kChanged);
  EXPECT_EQ(sense_of({0x00}), kNone);
  const std::vector<u8> capacity = ask({0x25});
  EXPECT_EQ(load_be<u32>(&capacity[0]), 49u);
  ASSERT_TRUE(ide->channel(0).insert(1, disc));
}

TEST_F(IdeCdrom, LockAndTray) {
  EXPECT_EQ(sense_of({0x1e, 0, 0, 0, 1}), kNone);
  EXPECT_EQ(sense_of({0x1b, 0, 0, 0, 2}), (Sense{5, 0x53, 2}));
  auto refused = ide->channel(0).insert(1, nullptr);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("locked"), std::string::npos);
  EXPECT_EQ(ask({0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8})[4], 1);  // somebody wants it out
  EXPECT_EQ(sense_of({0x1e, 0, 0, 0, 0}), kNone);
  EXPECT_EQ(sense_of({0x1b, 0, 0, 0, 2}), kNone);
  EXPECT_EQ(sense_of({0x00}), kTrayOpen);
  EXPECT_EQ(sense_of({0x1b, 0, 0, 0, 3}), kNone);
  EXPECT_EQ(sense_of({0x00}), kChanged);
  EXPECT_EQ(sense_of({0x00}), kNone);
}

TEST_F(IdeCdrom, MediaError) {
  disc->answer = BlockStatus::IoError;
  EXPECT_EQ(sense_of({0x28, 0, 0, 0, 0, 16, 0, 0, 1}), (Sense{3, 0x11, 0}));
}

// The disc goes between a command and the bus master's start: an error, no read.
TEST_F(IdeCdrom, MediumGoneBeforeDma) {
  packet({0x28, 0, 0, 0, 0, 7, 0, 0, 1}, 0, true);
  ASSERT_TRUE(ide->channel(0).insert(1, nullptr));
  write_table({{kBuffer, 2048}});
  start_master(true);
  EXPECT_EQ(in8(kStatus) & kErr, kErr);
}

TEST_F(IdeCdrom, DeviceResetInFlight) {
  bench.out(kDevice, 0xb0);
  bench.out(kMid, 0xfe);
  bench.out(kHigh, 0xff);
  bench.out(kStatus, 0xa0);
  write_data(Cdb{0x28, 0, 0, 0, 0, 16, 0, 0, 1});
  EXPECT_EQ(in8(kStatus), kBsy);
  bench.out(kStatus, 0x08);
  EXPECT_EQ(in8(kStatus), kBsy);
  disc->go();
  EXPECT_EQ(alternate_status() & (kBsy | kDrq), 0);
  EXPECT_FALSE(bench.wires.level(14));
}

}  // namespace
}  // namespace tandem::tests
