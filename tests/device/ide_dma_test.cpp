// Bus-master IDE. Sections: Programming Interface for Bus Master IDE Controller, revision 1.0.
#include "core/base/bits.h"
#include "tests/device/ide_fixture.h"

namespace tandem::tests {
namespace {

constexpr u8 kActive = 1, kFailed = 2, kInterrupt = 4;

struct DmaRow {
  const char* name;
  unsigned sectors;
  std::vector<std::pair<u32, u32>> regions;  // address, bytes
  u8 status;                                 // of the master, at the end
};
class IdeDma : public IdeTest, public testing::WithParamInterface<DmaRow> {
 protected:
  std::vector<u8> in_regions(u64 bytes) {
    std::vector<u8> data;
    for (const auto& [at, n] : GetParam().regions) {
      const std::vector<u8> piece = in_memory(at, n);
      data.insert(data.end(), piece.begin(), piece.end());
    }
    data.resize(bytes);
    return data;
  }
  void set_table() {
    std::vector<Region> regions;
    for (const auto& [at, n] : GetParam().regions) regions.push_back({at, n});
    write_table(regions);
  }
};

const DmaRow kRows[] = {
    {"one_sector", 1, {{0x10000, 512}}, kInterrupt},
    {"whole_64k", 128, {{0x10000, 0x10000}}, kInterrupt},
    {"odd_pieces", 4, {{0x10002, 510}, {0x20ffe, 1030}, {0x30000, 508}}, kInterrupt},
    {"across_pages", 16, {{0x10ff0, 8192}}, kInterrupt},
    {"many",
     1024,
     {{0x10000, 0x10000},
      {0x20000, 0x10000},
      {0x40000, 0x10000},
      {0x50000, 0x10000},
      {0x60000, 0x10000},
      {0x70000, 0x10000},
      {0x80000, 0x10000},
      {0x90000, 0x10000}},
     kInterrupt},
    {"room_to_spare", 2, {{0x10000, 4096}}, kInterrupt | kActive},
};

TEST_P(IdeDma, Reads) {
  const u64 bytes = GetParam().sectors * 512;
  command48(0x25, 300, static_cast<u16>(GetParam().sectors));
  EXPECT_EQ(in8(kStatus), kBsy);
  set_table();
  start_master(true);
  EXPECT_EQ(master_status() & 7, kActive);
  disk->go();
  EXPECT_TRUE(bench.wires.level(14));
  EXPECT_EQ(master_status() & 7, GetParam().status);
  EXPECT_EQ(in8(kStatus), 0x50);
  EXPECT_EQ(in_regions(bytes), on_disk(300, GetParam().sectors));
  EXPECT_TRUE(memory().marks().get(GetParam().regions[0].first >> kPageShift) & mem::kDirty);
  bench.out(kMaster, 0);
  bench.out(kMaster + 2, kInterrupt);
  EXPECT_EQ(master_status() & 7, 0);
}

TEST_P(IdeDma, Writes) {
  const u64 bytes = GetParam().sectors * 512;
  u8 seed = 0;
  for (const auto& [at, n] : GetParam().regions) memory().write(Gpa{at}, pattern(n, ++seed));
  set_table();
  start_master(false);  // the master may be started before the command
  command48(0x35, 300, static_cast<u16>(GetParam().sectors));
  disk->go();
  EXPECT_EQ(master_status() & 7, GetParam().status);
  EXPECT_EQ(in8(kStatus), 0x50);
  EXPECT_EQ(on_disk(300, GetParam().sectors), in_regions(bytes));
}

INSTANTIATE_TEST_SUITE_P(Rows, IdeDma, testing::ValuesIn(kRows),
                         [](const auto& info) { return std::string(info.param.name); });

// 3.1: too little room: no interrupt, the master idle, the drive waits until it is reset.
TEST_F(IdeTest, DmaTableTooShort) {
  command28(0xc8, 0, 4);
  write_table({{kBuffer, 1024}});
  start_master(true);
  disk->go();
  EXPECT_EQ(master_status() & 7, 0);
  EXPECT_FALSE(bench.wires.level(14));
  EXPECT_EQ(in8(kStatus), kBsy);
  EXPECT_EQ(in_memory(kBuffer, 1024), on_disk(0, 2));
  bench.out(kControl, 4);
  bench.out(kControl, 0);
  EXPECT_EQ(in8(kStatus), 0x50);
}

struct HostileRow {
  const char* name;
  u32 table;
  std::vector<std::pair<u32, u32>> entries;  // both dwords as they are
};
class IdeHostileTable : public IdeTest, public testing::WithParamInterface<HostileRow> {};

// Tables and regions that are no RAM: the error bit, nothing transferred, and a reset brings all back.
TEST_P(IdeHostileTable, IsAnError) {
  const HostileRow& row = GetParam();
  for (u64 i = 0; i < row.entries.size(); ++i) {
    memory().write_value(Gpa{row.table + i * 8}, row.entries[i].first);
    memory().write_value(Gpa{row.table + i * 8 + 4}, row.entries[i].second);
  }
  bench.out(kMaster + 4, row.table, 4);
  command28(0xc8, 0, 2);
  start_master(true);
  disk->go();
  EXPECT_EQ(master_status() & (kActive | kFailed), kFailed);
  EXPECT_FALSE(bench.wires.level(14));
  bench.out(kControl, 4);
  bench.out(kControl, 0);
  command28(0x20, 3, 1);
  disk->go();
  EXPECT_EQ(read_data(512), on_disk(3, 1));
}

INSTANTIATE_TEST_SUITE_P(Rows, IdeHostileTable,
                         testing::Values(HostileRow{"table_in_the_void", 0xfffffff0, {}},
                                         HostileRow{"table_runs_out_of_memory", 0xffff8, {{0x10000, 512}}},
                                         HostileRow{"region_in_the_void", 0x1000, {{0xe0000000, 0x80000400}}},
                                         HostileRow{"region_leaves_memory", 0x1000, {{0xffe00, 0x80000400}}},
                                         HostileRow{"region_wraps", 0x1000, {{0xfffffe00, 0x80000000}}}),
                         [](const auto& info) { return std::string(info.param.name); });

// ROM can be read by the master, not written.
TEST_F(IdeTest, DmaAndRom) {
  constexpr u32 kRom = 0xc0000;
  memory().set_legacy(Gpa{kRom}, 16 * KiB, {.read = kBuffer});
  memory().write(Gpa{kBuffer}, pattern(512, 9));
  command28(0xca, 7, 1);
  write_table({{kRom, 512}});
  start_master(false);
  disk->go();
  EXPECT_EQ(master_status() & 7, kInterrupt);
  EXPECT_EQ(on_disk(7, 1), pattern(512, 9));
  in8(kStatus);
  bench.out(kMaster, 0);
  bench.out(kMaster + 2, kInterrupt);
  command28(0xc8, 3, 1);
  start_master(true);
  disk->go();
  EXPECT_EQ(master_status() & (kActive | kFailed), kFailed);
  EXPECT_EQ(in_memory(kBuffer, 512), pattern(512, 9));
}

// Regions of two bytes without an end: as many as the table can have, no more.
TEST_F(IdeTest, DmaTableWithoutEnd) {
  constexpr u64 kTiny = 0x20000;
  for (u64 i = 0; i < 8192; ++i) memory().write_value(Gpa{kTiny + i * 8}, u64{2} << 32 | kBuffer);
  bench.out(kMaster + 4, kTiny, 4);
  command28(0xc8, 0, 200);
  start_master(true);
  disk->go();
  EXPECT_EQ(in8(kStatus), kBsy);
  EXPECT_FALSE(bench.wires.level(14));
}

TEST_F(IdeTest, DmaNeedsBusMastering) {
  ide->write_config(devices::pci::kCommand, 2, devices::pci::kCommandIo);
  command28(0xc8, 0, 1);
  write_table({{kBuffer, 512}});
  start_master(true);
  EXPECT_TRUE(disk->waiting.empty());
  EXPECT_EQ(in8(kStatus), kBsy);
}

TEST_F(IdeTest, DmaMediaError) {
  disk->answer = BlockStatus::IoError;
  command28(0xc8, 44, 1);
  write_table({{kBuffer, 512}});
  start_master(true);
  disk->go();
  EXPECT_EQ(master_status() & 7, kInterrupt);
  EXPECT_EQ(in8(kStatus), 0x51);
  EXPECT_EQ(in8(kError), 0x40);
}

// What has begun can't be called back: it ends, and the drive is free again.
TEST_F(IdeTest, MasterStoppedInFlight) {
  command28(0xc8, 44, 1);
  write_table({{kBuffer, 512}});
  start_master(true);
  bench.out(kMaster, 8);
  EXPECT_EQ(master_status() & 7, kActive);
  disk->go();
  EXPECT_EQ(master_status() & kActive, 0);
  EXPECT_EQ(in8(kStatus), 0x50);
}

TEST_F(IdeTest, ResetDuringDma) {
  command28(0xc8, 44, 1);
  write_table({{kBuffer, 512}});
  start_master(true);
  bench.out(kMaster, 0);
  bench.out(kControl, 4);
  bench.out(kControl, 0);
  EXPECT_EQ(in8(kStatus), kBsy);
  disk->go();
  EXPECT_EQ(in8(kStatus), 0x50);
  EXPECT_EQ(in8(kError), 1);
}

// 2.1: registers of the second channel follow those of the first; reserved bits read as zero.
TEST_F(IdeTest, MasterRegisters) {
  bench.out(kMaster + 4, 0x12345677, 4);
  EXPECT_EQ(bench.in(kMaster + 4, 4), 0x12345674u);
  bench.out(kMaster + 12, 0x00abcdec, 4);
  EXPECT_EQ(bench.in(kMaster + 12, 4), 0x00abcdecu);
  bench.out(kMaster + 2, 0x60);
  EXPECT_EQ(master_status(), 0x60);
  bench.out(kMaster, 0xf8);
  EXPECT_EQ(in8(kMaster), 0x08);
}

// Save at each point of commands, load into another controller, and go on there.
TEST_F(IdeTest, SaveAndLoadInTheMiddle) {
  command28(0xc6, 0, 4);
  command28(0xc4, 20, 9);
  disk->go();
  std::vector<u8> got = read_data(700);
  const auto move = [this] {
    ASSERT_TRUE(ide->quiesce());
    snapshot::StateWriter writer;
    ide->save(writer);
    const auto bytes = writer.finish();
    ide->reset(machine::ResetKind::System);
    auto reader = snapshot::StateReader::open(bytes);
    ASSERT_TRUE(reader);
    const auto loaded = ide->load(reader.value());
    ASSERT_TRUE(loaded) << loaded.error().message;
    snapshot::StateWriter again;
    ide->save(again);
    EXPECT_EQ(again.finish(), bytes);
  };
  move();
  const std::vector<u8> rest = read_data(9 * 512 - 700);
  got.insert(got.end(), rest.begin(), rest.end());
  EXPECT_EQ(got, on_disk(20, 9));
  // A command that waits for the bus master.
  command28(0xc8, 60, 2);
  write_table({{kBuffer, 1024}});
  move();
  start_master(true);
  disk->go();
  EXPECT_EQ(in_memory(kBuffer, 1024), on_disk(60, 2));
  // One that the host works on: quiesce() ends it.
  command28(0x20, 70, 1);
  move();
  EXPECT_EQ(read_data(512), on_disk(70, 1));
}

}  // namespace
}  // namespace tandem::tests
