// The floppy controller by its registers (Intel 82077AA data sheet), with an image of 1440 KiB.
#include <gtest/gtest.h>

#include <algorithm>

#include "devices/storage/fdc.h"
#include "tests/support/device_bench.h"
#include "tests/support/fake_disk.h"

namespace tandem::tests {
namespace {

using devices::Fdc;
using Bytes = std::vector<u8>;

constexpr u16 kDor = 0x3f2, kStatus = 0x3f4, kFifo = 0x3f5, kInput = 0x3f7;
constexpr u64 kBuffer = 0x2000;
constexpr unsigned kIrq = 6;

class FdcTest : public testing::Test {
 protected:
  FdcTest() {
    for (unsigned sector = 0; sector < 2880; ++sector)
      std::memset(&disk.content[sector * 512], static_cast<int>(sector % 251), 512);
    bench.map_ports(0x00, 16, dma.low_ports());
    bench.map_ports(0x81, 15, dma.page_ports());
    bench.map_ports(0x3f0, 6, fdc.ports());
    bench.map_ports(kInput, 1, fdc.digital_input_port());
    bench.out(kDor, 0x1c);
  }

  mem::GuestMemory& memory() { return bench.context().memory; }
  void send(const Bytes& bytes) {
    for (const u8 b : bytes) {
      EXPECT_EQ(bench.in(kStatus) & 0xc0, 0x80u) << "wants no byte";
      bench.out(kFifo, b);
    }
  }
  Bytes results() {
    Bytes out;
    while ((bench.in(kStatus) & 0xd0) == 0xd0) out.push_back(static_cast<u8>(bench.in(kFifo)));
    return out;
  }
  Bytes run(const Bytes& command) {
    send(command);
    disk.go();
    return results();
  }
  void program_dma(u8 mode, u16 bytes) {
    bench.out(0x0a, 6);
    bench.out(0x0c, 0);
    bench.out(0x0b, mode | 2);
    for (const u64 v : {kBuffer & 0xff, kBuffer >> 8}) bench.out(0x04, v);
    for (const int v : {(bytes - 1) & 0xff, (bytes - 1) >> 8}) bench.out(0x05, static_cast<u64>(v));
    bench.out(0x81, 0);
    bench.out(0x0a, 2);
  }
  void seek(u8 track) {
    send({0x0f, 0, track});
    run({0x08});
  }
  u8 byte_of(u64 at) { return memory().read_value<u8>(Gpa{at}); }

  DeviceBench bench;
  devices::IsaDma dma{bench.context()};
  FakeDisk disk{2880 * 512};
  Fdc fdc{bench.wires.level_irq(kIrq), dma, &disk};
};

TEST_F(FdcTest, ResetGivesFourSenses) {
  bench.out(kDor, 0x08);
  EXPECT_EQ(bench.in(kStatus), 0u) << "in reset";
  bench.wires.take_edges(kIrq);
  bench.out(kDor, 0x0c);
  EXPECT_EQ(bench.wires.take_edges(kIrq), 1u);
  for (u8 drive = 0; drive < 4; ++drive)
    EXPECT_EQ(run({0x08}), (Bytes{static_cast<u8>(0xc0 | drive), 0})) << unsigned{drive};
  EXPECT_EQ(run({0x08}), Bytes{0x80}) << "nothing more to sense";
  EXPECT_FALSE(bench.wires.level(kIrq));
}

TEST_F(FdcTest, SmallCommands) {
  struct Row {
    const char* name;
    Bytes command, results;
  };
  for (const Row& row :
       {Row{"version", {0x10}, {0x90}}, Row{"part id", {0x18}, {0x41}}, Row{"lock", {0x94}, {0x10}},
        Row{"unlock", {0x14}, {0x00}}, Row{"invalid", {0x1f}, {0x80}}, Row{"specify", {0x03, 0xdf, 0x02}, {}},
        Row{"configure", {0x13, 0, 0x57, 0}, {}}, Row{"sense drive", {0x04, 0x04}, {0x3c}},
        Row{"dump", {0x0e}, {0, 0, 0, 0, 0xdf, 0x02, 0, 0, 0x57, 0}}}) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(run(row.command), row.results);
  }
}

TEST_F(FdcTest, SeekAndRecalibrate) {
  EXPECT_EQ(bench.in(kInput), 0x80u) << "disk changed";
  send({0x0f, 0x04, 40});
  EXPECT_TRUE(bench.wires.level(kIrq));
  EXPECT_EQ(run({0x08}), (Bytes{0x24, 40}));
  EXPECT_FALSE(bench.wires.level(kIrq));
  EXPECT_EQ(bench.in(kInput), 0x00u);
  send({0xcf, 0, 5});
  EXPECT_EQ(run({0x08}), (Bytes{0x20, 45})) << "relative";
  send({0x07, 0});
  EXPECT_EQ(run({0x08}), (Bytes{0x20, 0}));
  send({0x07, 1});
  EXPECT_EQ(run({0x08}), (Bytes{0x71, 0})) << "there is no drive B";
}

TEST_F(FdcTest, ReadsAcrossHeads) {
  seek(3);
  program_dma(0x44, 3 * 512);
  EXPECT_EQ(run({0xe6, 0x00, 3, 0, 17, 2, 18, 0x1b, 0xff}), (Bytes{0x00, 0, 0, 3, 1, 2, 2}));
  const unsigned first = (3 * 2 + 0) * 18 + 16;
  for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(byte_of(kBuffer + 512 * i), (first + i) % 251) << i;
}

TEST_F(FdcTest, EndOfCylinderWithoutTerminalCount) {
  seek(3);
  program_dma(0x44, 4 * 512);
  EXPECT_EQ(run({0x46, 0x00, 3, 0, 17, 2, 18, 0x1b, 0xff}), (Bytes{0x40, 0x80, 0, 4, 0, 1, 2}));
}

TEST_F(FdcTest, TransfersThatFail) {
  struct Row {
    const char* name;
    Bytes command, results;
  };
  seek(3);
  for (const Row& row :
       {Row{"another cylinder", {0x46, 0, 4, 0, 1, 2, 18, 0x1b, 0xff}, {0x40, 0x04, 0x10, 4, 0, 1, 2}},
        Row{"no such sector", {0x46, 0, 3, 0, 19, 2, 19, 0x1b, 0xff}, {0x40, 0x04, 0, 3, 0, 19, 2}},
        Row{"sector 0", {0x46, 0, 3, 0, 0, 2, 18, 0x1b, 0xff}, {0x40, 0x04, 0, 3, 0, 0, 2}},
        Row{"no such head", {0x46, 4, 3, 7, 1, 2, 18, 0x1b, 0xff}, {0x44, 0x04, 0, 3, 7, 1, 2}},
        Row{"another size", {0x46, 0, 3, 0, 1, 3, 18, 0x1b, 0xff}, {0x40, 0x04, 0, 3, 0, 1, 2}},
        Row{"no disk", {0x46, 1, 0, 0, 1, 2, 18, 0x1b, 0xff}, {0x41, 0x01, 0, 0, 0, 1, 2}}}) {
    SCOPED_TRACE(row.name);
    program_dma(0x44, 512);
    EXPECT_EQ(run(row.command), row.results);
  }
  bench.out(0x0a, 6);
  EXPECT_EQ(run({0x46, 0, 3, 0, 1, 2, 18, 0x1b, 0xff}), (Bytes{0x40, 0x10, 0, 3, 0, 1, 2})) << "DMA masked";
}

TEST_F(FdcTest, WritesFormatsAndVerifies) {
  memory().fill(Gpa{kBuffer}, 0x5a, 512);
  program_dma(0x48, 512);
  EXPECT_EQ(run({0x45, 0x04, 0, 1, 2, 2, 18, 0x1b, 0xff}), (Bytes{0x04, 0, 0, 0, 1, 3, 2}));
  const u8* const sector = &disk.content[19 * 512];
  EXPECT_EQ(std::count(sector, sector + 512, 0x5a), 512);
  for (u8 i = 0; i < 18; ++i) memory().write(Gpa{kBuffer + 4u * i}, Bytes{0, 1, static_cast<u8>(i + 1), 2});
  program_dma(0x48, 4 * 18);
  EXPECT_EQ(run({0x4d, 0x04, 2, 18, 0x54, 0xf6})[0], 0x04u);
  EXPECT_EQ(disk.content[35 * 512 + 511], 0xf6u);
  EXPECT_EQ(run({0x56, 0x84, 0, 1, 1, 2, 18, 0x1b, 4}), (Bytes{0x04, 0, 0, 0, 1, 5, 2})) << "verify";
}

TEST_F(FdcTest, InterruptsNeedTheGate) {
  bench.out(kDor, 0x14);
  bench.wires.take_edges(kIrq);
  send({0x07, 0});
  EXPECT_EQ(bench.wires.take_edges(kIrq), 0u);
  bench.out(kDor, 0x1c);
  EXPECT_EQ(bench.wires.take_edges(kIrq), 1u);
}

// A reset while the back end works: what comes of the command is nobody's, and the next one starts afresh.
TEST_F(FdcTest, ResetInFlight) {
  seek(3);
  program_dma(0x44, 512);
  send({0x46, 0, 3, 0, 1, 2, 18, 0x1b, 0xff});
  EXPECT_EQ(bench.in(kStatus), 0x10u) << "busy";
  bench.out(kDor, 0x18);
  bench.out(kDor, 0x1c);
  EXPECT_EQ(bench.in(kStatus), 0u) << "until the back end is done";
  disk.go();
  EXPECT_EQ(bench.in(kStatus), 0x80u);
  EXPECT_EQ(run({0x08}), (Bytes{0xc0, 3}));
}

TEST_F(FdcTest, MediaError) {
  disk.answer = devices::BlockStatus::IoError;
  program_dma(0x44, 512);
  EXPECT_EQ(run({0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff}), (Bytes{0x40, 0x20, 0, 0, 0, 1, 2}));
}

TEST(Floppy, FormatsBySize) {
  struct Row {
    u64 kib;
    u32 cylinders, heads, sectors;
  };
  for (const Row& row : {Row{160, 40, 1, 8}, Row{360, 40, 2, 9}, Row{720, 80, 2, 9}, Row{1200, 80, 2, 15},
                         Row{1440, 80, 2, 18}, Row{1000, 80, 2, 15}, Row{2880, 80, 2, 36}}) {
    const auto f = devices::floppy_format(row.kib * KiB);
    ASSERT_TRUE(f) << row.kib;
    EXPECT_EQ(std::tie(f->cylinders, f->heads, f->sectors), std::tie(row.cylinders, row.heads, row.sectors))
        << row.kib;
  }
  EXPECT_FALSE(devices::floppy_format(2881 * KiB));
  EXPECT_FALSE(devices::floppy_format(0));
}

}  // namespace
}  // namespace tandem::tests
