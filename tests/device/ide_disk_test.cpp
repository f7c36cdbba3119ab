// ATA disks on the PIIX3's IDE function: registers, PIO, bus master. Sections: ATA/ATAPI-6 (T13/1410D).
#include "core/base/bits.h"
#include "tests/device/ide_fixture.h"

namespace tandem::tests {
namespace {

std::string text(const std::vector<u8>& identity, unsigned word, unsigned words) {
  std::string s;
  for (unsigned i = 0; i < words * 2; ++i) s += static_cast<char>(identity[word * 2 + (i ^ 1)]);
  return s;
}

TEST_F(IdeTest, EmptyChannelIsNotBusy) {
  EXPECT_EQ(bench.in(0x177), 0x7fu);
  EXPECT_EQ(bench.in(0x376), 0x7fu);
  EXPECT_EQ(bench.in(0x170, 2), 0x7f7fu);
  bench.out(0x177, 0xec);
  EXPECT_FALSE(bench.wires.level(15));
}

// 8.15
TEST_F(IdeTest, Identify) {
  command28(0xec, 0, 0);
  EXPECT_EQ(alternate_status(), kDrdy | kDrq | 0x10);
  EXPECT_TRUE(bench.wires.level(14));
  const std::vector<u8> id = read_data(512);
  EXPECT_EQ(alternate_status(), kDrdy | 0x10);
  EXPECT_EQ(text(id, 27, 20).substr(0, 15), "TANDEM HARDDISK");
  EXPECT_EQ(load_le<u16>(&id[1 * 2]), kDiskSectors / (16 * 63));
  EXPECT_EQ(load_le<u32>(&id[60 * 2]), kDiskSectors);
  EXPECT_EQ(load_le<u64>(&id[100 * 2]), kDiskSectors);
  EXPECT_EQ(load_le<u16>(&id[83 * 2]), 0x7400);  // 48-bit addresses, FLUSH CACHE, FLUSH CACHE EXT
}

// 9.2: INTRQ goes when the status is read; the alternate status leaves it; nIEN keeps it from the wire.
TEST_F(IdeTest, Interrupt) {
  command28(0xec, 0, 0);
  alternate_status();
  EXPECT_TRUE(bench.wires.level(14));
  bench.out(kControl, 2);
  EXPECT_FALSE(bench.wires.level(14));
  bench.out(kControl, 0);
  EXPECT_TRUE(bench.wires.level(14));
  in8(kStatus);
  EXPECT_FALSE(bench.wires.level(14));
}

struct PioRow {
  const char* name;
  u8 command;
  bool wide;
  unsigned sectors, block;  // sectors for each DRQ
};
class IdePioRead : public IdeTest, public testing::WithParamInterface<PioRow> {};
class IdePioWrite : public IdeTest, public testing::WithParamInterface<PioRow> {};

TEST_P(IdePioRead, BlockByBlock) {
  const PioRow& row = GetParam();
  command28(0xc6, 0, 8);
  constexpr u64 kSector = 1000;
  if (row.wide) command48(row.command, kSector, static_cast<u16>(row.sectors));
  else command28(row.command, kSector, static_cast<u8>(row.sectors));
  in8(kStatus);
  std::vector<u8> got;
  for (unsigned done = 0; done < row.sectors;) {
    disk->go();
    ASSERT_EQ(alternate_status(), kDrdy | kDrq | 0x10) << done;
    ASSERT_TRUE(bench.wires.level(14)) << done;
    in8(kStatus);
    const unsigned n = std::min(row.block, row.sectors - done);
    const std::vector<u8> block = read_data(n * 512);
    got.insert(got.end(), block.begin(), block.end());
    done += n;
  }
  EXPECT_EQ(alternate_status(), kDrdy | 0x10);
  EXPECT_FALSE(bench.wires.level(14));
  EXPECT_EQ(got, on_disk(kSector, row.sectors));
}

TEST_P(IdePioWrite, BlockByBlock) {
  const PioRow& row = GetParam();
  command28(0xc6, 0, 8);
  in8(kStatus);
  constexpr u64 kSector = 1000;
  const std::vector<u8> before = on_disk(kSector + row.sectors, 1), data = pattern(row.sectors * 512, 3);
  if (row.wide) command48(row.command, kSector, static_cast<u16>(row.sectors));
  else command28(row.command, kSector, static_cast<u8>(row.sectors));
  for (unsigned done = 0; done < row.sectors;) {
    disk->go();
    ASSERT_EQ(alternate_status(), kDrdy | kDrq | 0x10) << done;
    ASSERT_EQ(bench.wires.level(14), done != 0) << done;  // none before the first block
    in8(kStatus);
    const unsigned n = std::min(row.block, row.sectors - done);
    write_data(std::span(data).subspan(done * 512, n * 512));
    done += n;
  }
  EXPECT_EQ(alternate_status(), kBsy);
  EXPECT_FALSE(bench.wires.level(14));
  disk->go();
  EXPECT_EQ(alternate_status(), kDrdy | 0x10);
  EXPECT_TRUE(bench.wires.level(14));
  EXPECT_EQ(on_disk(kSector, row.sectors), data);
  EXPECT_EQ(on_disk(kSector + row.sectors, 1), before);
}

INSTANTIATE_TEST_SUITE_P(Rows, IdePioRead,
                         testing::Values(PioRow{"one", 0x20, false, 1, 1}, PioRow{"some", 0x20, false, 7, 1},
                                         PioRow{"most", 0x21, false, 255, 1},
                                         PioRow{"ext", 0x24, true, 300, 1},
                                         PioRow{"multiple", 0xc4, false, 19, 8},
                                         PioRow{"multiple_ext", 0x29, true, 600, 8}),
                         [](const auto& info) { return std::string(info.param.name); });
INSTANTIATE_TEST_SUITE_P(Rows, IdePioWrite,
                         testing::Values(PioRow{"one", 0x30, false, 1, 1}, PioRow{"some", 0x31, false, 7, 1},
                                         PioRow{"ext", 0x34, true, 300, 1},
                                         PioRow{"multiple", 0xc5, false, 19, 8},
                                         PioRow{"multiple_ext", 0x39, true, 600, 8}),
                         [](const auto& info) { return std::string(info.param.name); });

// 6.2: cylinders, heads, sectors, in the geometry that the guest has set.
TEST_F(IdeTest, CylinderHeadSector) {
  bench.out(kDevice, 0xa0 | 7);  // eight heads
  bench.out(kCount, 32);
  bench.out(kStatus, 0x91);
  in8(kStatus);
  bench.out(kDevice, 0xa0 | 3);
  bench.out(kCount, 1);
  bench.out(kLow, 5);
  bench.out(kMid, 9);
  bench.out(kHigh, 0);
  bench.out(kStatus, 0x20);
  disk->go();
  EXPECT_EQ(read_data(512), on_disk((9 * 8 + 3) * 32 + 4, 1));
  bench.out(kLow, 33);
  bench.out(kStatus, 0x20);
  EXPECT_EQ(in8(kStatus) & (kErr | kBsy | kDrq), kErr);
  EXPECT_EQ(in8(kError), 0x10);
}

struct SimpleRow {
  const char* name;
  u8 command, features, count;
  u8 status, error;
};
class IdeSimple : public IdeTest, public testing::WithParamInterface<SimpleRow> {};

// Commands without data: the end, and that the host is told.
TEST_P(IdeSimple, Ends) {
  const SimpleRow& row = GetParam();
  bench.out(kError, row.features);
  command28(row.command, 0, row.count);
  disk->go();
  EXPECT_TRUE(bench.wires.level(14));
  EXPECT_EQ(in8(kStatus), row.status);
  EXPECT_EQ(in8(kError), row.error);
}

constexpr u8 kGood = 0x50, kBad = 0x51;
INSTANTIATE_TEST_SUITE_P(
    Rows, IdeSimple,
    testing::Values(
        SimpleRow{"nop", 0x00, 0, 0, kBad, 4}, SimpleRow{"recalibrate", 0x10, 0, 0, kGood, 0},
        SimpleRow{"seek", 0x70, 0, 0, kGood, 0}, SimpleRow{"verify", 0x40, 0, 9, kGood, 0},
        SimpleRow{"flush", 0xe7, 0, 0, kGood, 0}, SimpleRow{"flush_ext", 0xea, 0, 0, kGood, 0},
        SimpleRow{"smart", 0xb0, 0xd8, 0, kBad, 4}, SimpleRow{"packet", 0xa0, 0, 0, kBad, 4},
        SimpleRow{"identify_packet", 0xa1, 0, 0, kBad, 4}, SimpleRow{"device_reset", 0x08, 0, 0, kBad, 4},
        SimpleRow{"unknown", 0xff, 0, 0, kBad, 4}, SimpleRow{"multiple_16", 0xc6, 0, 16, kGood, 0},
        SimpleRow{"multiple_3", 0xc6, 0, 3, kBad, 4}, SimpleRow{"multiple_32", 0xc6, 0, 32, kBad, 4},
        SimpleRow{"read_multiple_unset", 0xc4, 0, 1, kBad, 4}, SimpleRow{"udma5", 0xef, 0x03, 0x45, kGood, 0},
        SimpleRow{"udma6", 0xef, 0x03, 0x46, kBad, 4}, SimpleRow{"cache_on", 0xef, 0x02, 0, kGood, 0},
        SimpleRow{"cache_off", 0xef, 0x82, 0, kGood, 0}, SimpleRow{"feature_unknown", 0xef, 0x99, 0, kBad, 4},
        SimpleRow{"idle", 0xe1, 0, 0, kGood, 0}, SimpleRow{"standby", 0xe0, 0, 0, kGood, 0},
        SimpleRow{"diagnose", 0x90, 0, 0, kGood, 1}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(IdeTest, PowerMode) {
  command28(0xe5, 0, 0);
  EXPECT_EQ(in8(kCount), 0xff);
  command28(0xe0, 0, 0);
  command28(0xe5, 0, 1);
  EXPECT_EQ(in8(kCount), 0x00);
}

TEST_F(IdeTest, NativeMax) {
  command28(0xf8, 0, 0);
  EXPECT_EQ(in8(kLow) | in8(kMid) << 8 | in8(kHigh) << 16, int{kDiskSectors - 1});
  command48(0x27, 0, 0);
  bench.out(kControl, 0x80);
  EXPECT_EQ(in8(kLow), 0);  // the high-order byte
  bench.out(kControl, 0);
  EXPECT_EQ(in8(kLow), 0xff);
}

TEST_F(IdeTest, BeyondTheEnd) {
  for (const u8 command : {0x20, 0x30, 0x40, 0xc8, 0xca}) {
    command28(command, kDiskSectors - 1, 2);
    EXPECT_EQ(in8(kStatus), 0x51) << int{command};
    EXPECT_EQ(in8(kError), 0x10) << int{command};
  }
  command48(0x25, u64{1} << 47, 1);
  EXPECT_EQ(in8(kError), 0x10);
  EXPECT_TRUE(disk->waiting.empty());
}

TEST_F(IdeTest, MediaErrors) {
  disk->answer = BlockStatus::IoError;
  command28(0x20, 77, 3);
  disk->go();
  EXPECT_TRUE(bench.wires.level(14));
  EXPECT_EQ(in8(kStatus), 0x51);
  EXPECT_EQ(in8(kError), 0x40);
  EXPECT_EQ(in8(kLow), 77);
  disk->answer = BlockStatus::Ok;
  command28(0x20, 77, 1);
  disk->go();
  EXPECT_EQ(read_data(512), on_disk(77, 1));
}

// 9.16: registers of both drives take writes; drive 1 absent on a channel answers with zeros (here it is a
// CD-ROM).
TEST_F(IdeTest, SignatureAfterSoftwareReset) {
  bench.out(kControl, 4);
  EXPECT_EQ(in8(kStatus), kBsy);
  bench.out(kControl, 0);
  EXPECT_EQ(in8(kStatus), 0x50);
  EXPECT_EQ(in8(kError), 1);
  EXPECT_EQ(in8(kMid) | in8(kHigh) << 8, 0);
  bench.out(kDevice, 0xb0);
  EXPECT_EQ(in8(kMid) | in8(kHigh) << 8, 0xeb14);
  EXPECT_FALSE(bench.wires.level(14));
}

// A reset while the host works: busy until that has ended, then as new; the old command never shows.
TEST_F(IdeTest, ResetInFlight) {
  command28(0x20, 5, 1);
  ASSERT_EQ(disk->waiting.size(), 1u);
  bench.out(kControl, 4);
  bench.out(kControl, 0);
  EXPECT_EQ(in8(kStatus), kBsy);
  command28(0x20, 6, 1);  // ignored
  EXPECT_EQ(disk->waiting.size(), 1u);
  disk->go();
  EXPECT_EQ(in8(kStatus), 0x50);
  EXPECT_EQ(in8(kError), 1);
  EXPECT_FALSE(bench.wires.level(14));
  command28(0x20, 6, 1);
  disk->go();
  EXPECT_EQ(read_data(512), on_disk(6, 1));
}

TEST_F(IdeTest, HeldInReset) {
  command28(0x20, 5, 1);
  bench.out(kControl, 4);
  disk->go();
  EXPECT_EQ(in8(kStatus), kBsy);
  bench.out(kControl, 0);
  EXPECT_EQ(in8(kStatus), 0x50);
}

TEST_F(IdeTest, CommandsWhileBusyAreIgnored) {
  command28(0x20, 5, 1);
  command28(0x30, 9, 1);
  disk->go();
  EXPECT_EQ(read_data(512), on_disk(5, 1));
}

TEST_F(IdeTest, MachineResetInFlight) {
  command28(0xc8, 5, 1);
  write_table({{kBuffer, 512}});
  start_master(true);
  ide->reset(machine::ResetKind::System);
  EXPECT_TRUE(disk->waiting.empty());
  EXPECT_EQ(in8(kStatus), 0x50);
  EXPECT_FALSE(bench.wires.level(14));
}

// 82371SB, 2.3.9: without decode enable, or with I/O space off, nothing answers.
TEST_F(IdeTest, Decode) {
  ide->write_config(0x40, 2, 0);
  EXPECT_EQ(in8(kStatus), 0xff);
  ide->write_config(0x40, 2, 0x8000);
  EXPECT_EQ(in8(kStatus), 0x50);
  ide->write_config(devices::pci::kCommand, 2, 0);
  EXPECT_EQ(in8(kStatus), 0xff);
}

TEST_F(IdeTest, WriteProtected) {
  ide.reset();
  units[0].medium = std::make_unique<FakeDisk>(1 * MiB, true);
  ide = make();
  DeviceBench other;
  other.map_ports(kData, 8, ide->command_ports(0), 4);
  other.out(kDevice, 0xe0);
  other.out(kCount, 1);
  other.out(kStatus, 0x30);
  EXPECT_EQ(other.in(kStatus), 0x51u);
  EXPECT_EQ(other.in(kError), 4u);
}

}  // namespace
}  // namespace tandem::tests
