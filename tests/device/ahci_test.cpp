// AHCI host bus adapter and its ports. Sections: Serial ATA AHCI 1.3.1.
#include <random>

#include "tests/device/ahci_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices::ahci;
using devices::Ahci;

constexpr u32 kReady = 0x50, kFailed = 0x51;
constexpr u8 kReadDma = 0x25, kWriteDma = 0x35, kFlush = 0xea, kIdentify = 0xec, kReadPio = 0x24,
             kQueuedRead = 0x60, kQueuedWrite = 0x61, kReadLog = 0x2f, kPacket = 0xa0, kIdentifyPacket = 0xa1;

// 3.1
TEST_F(AhciTest, HostRegisters) {
  EXPECT_EQ(host(kCap) & 0x1f, 2u);        // three ports
  EXPECT_EQ(host(kCap) >> 8 & 0x1f, 31u);  // 32 slots
  EXPECT_TRUE(host(kCap) & (kCapQueuing | kCap64));
  EXPECT_EQ(host(kPi), 7u);
  EXPECT_EQ(host(kVs), 0x00010301u);
  EXPECT_EQ(host(kGhc), kGhcAhci);
  set_host(kGhc, 0);
  EXPECT_EQ(host(kGhc), kGhcAhci);  // 3.1.2: AHCI alone
}

// 3.3: what a port shows of what is connected to it.
TEST_F(AhciTest, WhatIsConnected) {
  EXPECT_EQ(get(kDisk, kPortSsts), 0x123u);
  EXPECT_EQ(get(kDisk, kPortSig), 0x00000101u);
  EXPECT_EQ(get(kDisk, kPortTfd), 0x0150u);
  EXPECT_EQ(get(kNothing, kPortSsts), 0u);
  EXPECT_EQ(get(kNothing, kPortSig), ~u32{0});
  EXPECT_EQ(get(kNothing, kPortTfd), 0x7fu);
  EXPECT_EQ(get(kDisc, kPortSsts), 0x123u);
  EXPECT_EQ(get(kDisc, kPortSig), 0xeb140101u);
  EXPECT_EQ(get(7, kPortSsts), 0u);
}

TEST_F(AhciTest, PartsOfRegisters) {
  set(kDisk, kPortIe, 0x7dc0007f);
  EXPECT_EQ(bench.read(kPort + kPortIe + 1, 1), 0u);
  EXPECT_EQ(bench.read(kPort + kPortIe + 2, 2), 0x7dc0u);
  bench.write(kPort + kPortIe, 1, 1);
  EXPECT_EQ(get(kDisk, kPortIe), 0x7dc00001u);
  EXPECT_EQ(bench.read(kPort + kPortIe - 4, 8), u64{0x7dc00001} << 32 | get(kDisk, kPortIs));
}

// 5.3.1: the signature's FIS is written as soon as there is a place for it; no interrupt.
TEST_F(AhciTest, SignatureInMemory) {
  set(kDisc, kPortFis, static_cast<u32>(area(kDisc) + kFis));
  set(kDisc, kPortCmd, kReceive);
  const std::vector<u8> f = received(kDisc, kRxRegister, 20);
  EXPECT_EQ(f[0], 0x34);
  EXPECT_EQ(f[1] & 0x40, 0);
  EXPECT_EQ(f[3], 1);  // passed
  EXPECT_EQ((std::vector<u8>{f[4], f[5], f[6], f[12]}), (std::vector<u8>{1, 0x14, 0xeb, 1}));
  EXPECT_EQ(get(kDisc, kPortIs) & ~(kIsConnect | kIsPhyReady), 0u);
}

TEST_F(AhciTest, RunningBits) {
  EXPECT_EQ(get(kDisk, kPortCmd) & (kCmdRunning | kCmdFisRunning), 0u);
  start(kDisk);
  EXPECT_EQ(get(kDisk, kPortCmd) & (kCmdRunning | kCmdFisRunning), kCmdRunning | kCmdFisRunning);
  set(kDisk, kPortCmd, kReceive);
  EXPECT_EQ(get(kDisk, kPortCmd) & (kCmdRunning | kCmdFisRunning), kCmdFisRunning);
}

struct DmaRow {
  const char* name;
  unsigned sectors;
  std::vector<std::pair<u64, u32>> regions;  // offset in the buffer, bytes
};
class AhciDma : public AhciTest, public testing::WithParamInterface<DmaRow> {
 protected:
  std::vector<Region> regions() const {
    std::vector<Region> all;
    for (const auto& [at, bytes] : GetParam().regions) all.push_back({0x40000 + at, bytes, false});
    return all;
  }
  std::vector<u8> gathered() {
    std::vector<u8> all;
    for (const Region& r : regions()) {
      const std::vector<u8> piece = in_memory(r.address, r.bytes);
      all.insert(all.end(), piece.begin(), piece.end());
    }
    all.resize(GetParam().sectors * 512);
    return all;
  }
};
TEST_P(AhciDma, Reads) {
  start(kDisk);
  run(kDisk, 3, fis(kReadDma, 300, GetParam().sectors), regions());
  EXPECT_EQ(get(kDisk, kPortTfd), 0x80u);
  EXPECT_EQ(get(kDisk, kPortCi), 8u);
  EXPECT_EQ(get(kDisk, kPortCmd) >> 8 & 31, 3u);
  disk->go();
  EXPECT_EQ(get(kDisk, kPortTfd), kReady);
  EXPECT_EQ(get(kDisk, kPortCi), 0u);
  EXPECT_EQ(transferred(kDisk, 3), GetParam().sectors * 512);
  EXPECT_EQ(take_causes(kDisk), kIsRegisterFis);
  EXPECT_EQ(gathered(), on(*disk, 300 * 512, GetParam().sectors * 512));
  EXPECT_TRUE(memory().marks().get(regions()[0].address >> kPageShift) & mem::kDirty);
  EXPECT_EQ(received(kDisk, kRxRegister, 4), (std::vector<u8>{0x34, 0x40, 0x50, 0}));
}
TEST_P(AhciDma, Writes) {
  u8 seed = 0;
  for (const Region& r : regions()) memory().fill(Gpa{r.address}, ++seed, r.bytes);
  start(kDisk);
  run(kDisk, 0, fis(kWriteDma, 500, GetParam().sectors), regions(), 0x40);
  disk->go();
  EXPECT_EQ(get(kDisk, kPortTfd), kReady);
  EXPECT_EQ(gathered(), on(*disk, 500 * 512, GetParam().sectors * 512));
}
INSTANTIATE_TEST_SUITE_P(Rows, AhciDma,
                         testing::Values(DmaRow{"one_sector", 1, {{0, 512}}},
                                         DmaRow{"odd_pieces", 4, {{2, 510}, {0x10ffe, 1030}, {0x20000, 508}}},
                                         DmaRow{"large", 512, {{0, 0x40000}}},
                                         DmaRow{"room_to_spare", 2, {{0, 4096}}}),
                         [](const auto& info) { return info.param.name; });

// 5.6.3: data of PIO commands comes the same way, told by a PIO Setup FIS.
TEST_F(AhciTest, PioIn) {
  start(kDisk);
  run(kDisk, 0, fis(kReadPio, 7, 2), {{0x40000, 1024}});
  disk->go();
  EXPECT_EQ(take_causes(kDisk), kIsPioSetup);
  const std::vector<u8> f = received(kDisk, kRxPioSetup, 20);
  EXPECT_EQ(f[0], 0x5f);
  EXPECT_EQ(f[1], 0x60);
  EXPECT_EQ(f[15], 0x50);
  EXPECT_EQ(load_le<u16>(&f[16]), 1024);
  EXPECT_EQ(in_memory(0x40000, 1024), on(*disk, 7 * 512, 1024));
}

TEST_F(AhciTest, Identify) {
  start(kDisk);
  run(kDisk, 0, fis(kIdentify, 0, 0), {{0x40000, 512}});
  EXPECT_EQ(take_causes(kDisk), kIsPioSetup);
  const std::vector<u8> id = in_memory(0x40000, 512);
  const auto word = [&](unsigned n) { return load_le<u16>(&id[2 * n]); };
  EXPECT_EQ(load_le<u64>(&id[200]), kDiskSectors);
  EXPECT_EQ(word(75), 31);             // queue depth less one
  EXPECT_EQ(word(76) & 0x106, 0x106);  // generations 1 and 2, native queuing
  EXPECT_EQ(word(93), 0);              // no cable
  EXPECT_EQ(word(84) & 0x4020, 0x4020);
  EXPECT_EQ(std::string(id.begin() + 20, id.begin() + 28), "DT0000 5");  // two characters a word, swapped
}

// 5.5: one after the other, from the lowest; those not queued one at a time.
TEST_F(AhciTest, CommandsTakeTurns) {
  start(kDisk);
  put_command(kDisk, 2, fis(kReadDma, 0, 1), {{0x40000, 512}});
  put_command(kDisk, 5, fis(kReadDma, 1, 1), {{0x41000, 512}});
  put_command(kDisk, 9, fis(kFlush, 0, 0));
  set(kDisk, kPortCi, 1 << 2 | 1 << 5 | 1 << 9);
  EXPECT_EQ(disk->waiting.size(), 1u);
  EXPECT_EQ(get(kDisk, kPortCmd) >> 8 & 31, 2u);
  disk->go();
  EXPECT_EQ(get(kDisk, kPortCi), 0u);
  EXPECT_EQ(disk->flushes, 1u);
  EXPECT_EQ(in_memory(0x40000, 512), on(*disk, 0, 512));
  EXPECT_EQ(in_memory(0x41000, 512), on(*disk, 512, 512));
}

TEST_F(AhciTest, NothingRunsWhileStopped) {
  start(kDisk);
  set(kDisk, kPortCmd, kReceive);
  run(kDisk, 0, fis(kReadDma, 0, 1), {{0x40000, 512}});
  EXPECT_EQ(get(kDisk, kPortCi), 0u);
  EXPECT_TRUE(disk->waiting.empty());
}

TEST_F(AhciTest, BusMasterOff) {
  start(kDisk);
  ahci->write_config(devices::pci::kCommand, 2, devices::pci::kCommandMemory);
  run(kDisk, 0, fis(kReadDma, 0, 1), {{0x40000, 512}});
  EXPECT_TRUE(disk->waiting.empty());
  ahci->write_config(devices::pci::kCommand, 2, devices::pci::kCommandMemory | devices::pci::kCommandMaster);
  EXPECT_EQ(disk->waiting.size(), 1u);
  disk->go();
  EXPECT_EQ(get(kDisk, kPortCi), 0u);
}

// 5.6.4: native command queuing: all are under way together, and end in any order.
TEST_F(AhciTest, QueuedCommands) {
  start(kDisk);
  for (u8 slot : {0, 1, 7}) {
    const Fis f = fis(kQueuedRead, 100u + slot, u32{slot} << 3, 1);
    put_command(kDisk, slot, f, {{0x40000u + slot * 0x1000u, 512, slot == 7}});
    set(kDisk, kPortSact, u32{1} << slot);
    issue(kDisk, slot);
  }
  EXPECT_EQ(get(kDisk, kPortCi), 0u);
  EXPECT_EQ(get(kDisk, kPortSact), 0x83u);
  EXPECT_EQ(get(kDisk, kPortTfd), kReady);
  ASSERT_EQ(disk->waiting.size(), 3u);
  std::swap(disk->waiting[0], disk->waiting[2]);
  devices::BlockRequest first = std::move(disk->waiting.front());
  disk->waiting.pop_front();
  first.done(BlockStatus::Ok);
  EXPECT_EQ(get(kDisk, kPortSact), 0x03u);
  EXPECT_EQ(take_causes(kDisk), kIsSetBits | kIsDescriptor);
  EXPECT_EQ(received(kDisk, kRxSetBits, 8), (std::vector<u8>{0xa1, 0x40, 0x50, 0, 0x80, 0, 0, 0}));
  disk->go();
  EXPECT_EQ(get(kDisk, kPortSact), 0u);
  EXPECT_EQ(in_memory(0x41000, 512), on(*disk, 101 * 512, 512));
}

TEST_F(AhciTest, WhatIsAtHandIsReadAtOnce) {
  disk->at_hand = true;
  start(kDisk);
  put_command(kDisk, 0, fis(kReadDma, 3, 1), {{0x40000, 512}});
  put_command(kDisk, 1, fis(kQueuedRead, 4, 1 << 3, 1), {{0x41000, 512}});
  set(kDisk, kPortSact, 2);
  set(kDisk, kPortCi, 3);
  EXPECT_TRUE(disk->waiting.empty());
  EXPECT_EQ(get(kDisk, kPortCi), 0u);
  EXPECT_EQ(get(kDisk, kPortSact), 0u);
  EXPECT_EQ(take_causes(kDisk), kIsRegisterFis | kIsSetBits);
  EXPECT_EQ(in_memory(0x40000, 512), on(*disk, 3 * 512, 512));
  EXPECT_EQ(in_memory(0x41000, 512), on(*disk, 4 * 512, 512));
  run(kDisk, 0, fis(kWriteDma, 3, 1), {{0x41000, 512}}, 0x40);
  EXPECT_EQ(disk->waiting.size(), 1u);
}

TEST_F(AhciTest, QueuedWriteWithForcedAccessIsFlushed) {
  memory().fill(Gpa{0x40000}, 0x77, 512);
  start(kDisk);
  set(kDisk, kPortSact, 1);
  run(kDisk, 0, fis(kQueuedWrite, 9, 0, 1, 0xc0), {{0x40000, 512}}, 0x40);
  disk->go();
  EXPECT_EQ(disk->flushes, 1u);
  EXPECT_EQ(get(kDisk, kPortSact), 0u);
  EXPECT_EQ(on(*disk, 9 * 512, 512), std::vector<u8>(512, 0x77));
}

TEST_F(AhciTest, WithoutWriteCacheEveryWriteIsFlushed) {
  start(kDisk);
  run(kDisk, 0, fis(0xef, 0, 0, 0x82));
  disk->go();
  EXPECT_EQ(disk->flushes, 1u);
  run(kDisk, 0, fis(kWriteDma, 9, 1), {{0x40000, 512}}, 0x40);
  disk->go();
  EXPECT_EQ(disk->flushes, 2u);
  EXPECT_EQ(get(kDisk, kPortTfd), kReady);
}

// 6.2.2.1: the command stays issued, nothing goes on until software has stopped the port.
TEST_F(AhciTest, Errors) {
  start(kDisk);
  disk->answer = BlockStatus::IoError;
  put_command(kDisk, 1, fis(kFlush, 0, 0));
  run(kDisk, 0, fis(kReadDma, 0x123456, 0), {{0x40000, 512}});  // beyond the end
  EXPECT_EQ(get(kDisk, kPortTfd), 0x1000u | kFailed);
  EXPECT_EQ(take_causes(kDisk), kIsTaskFile | kIsRegisterFis);
  issue(kDisk, 1);
  EXPECT_EQ(get(kDisk, kPortCi), 3u);
  EXPECT_TRUE(disk->waiting.empty());
  set(kDisk, kPortCmd, kReceive);
  EXPECT_EQ(get(kDisk, kPortCi), 0u);
  set(kDisk, kPortCmd, kReceive | kStart);
  run(kDisk, 0, fis(kReadDma, 7, 1), {{0x40000, 512}});
  disk->go();
  EXPECT_EQ(get(kDisk, kPortTfd), 0x4000u | kFailed);
  EXPECT_EQ(transferred(kDisk, 0), 0u);
}

// ATA8-ACS: the log tells which queued command failed; the others are gone with it.
TEST_F(AhciTest, QueuedError) {
  start(kDisk);
  disk->answer = BlockStatus::IoError;
  set(kDisk, kPortSact, 3 << 4);
  put_command(kDisk, 4, fis(kQueuedRead, 0x234, 4 << 3, 1), {{0x40000, 512}});
  put_command(kDisk, 5, fis(kQueuedRead, 0x345, 5 << 3, 1), {{0x41000, 512}});
  set(kDisk, kPortCi, 3 << 4);
  disk->go();
  EXPECT_EQ(get(kDisk, kPortTfd), 0x4000u | kFailed);
  EXPECT_EQ(get(kDisk, kPortSact), 3u << 4);
  EXPECT_EQ(take_causes(kDisk), kIsTaskFile | kIsSetBits);
  EXPECT_EQ(received(kDisk, kRxSetBits, 8), (std::vector<u8>{0xa1, 0x40, 0x51, 0x40, 0, 0, 0, 0}));
  set(kDisk, kPortCmd, kReceive);
  EXPECT_EQ(get(kDisk, kPortSact), 0u);
  set(kDisk, kPortCmd, kReceive | kStart);
  run(kDisk, 0, fis(kReadLog, 0x10, 1), {{0x42000, 512}});
  const std::vector<u8> log = in_memory(0x42000, 512);
  EXPECT_EQ(log[0], 4);
  EXPECT_EQ(log[2], 0x51);
  EXPECT_EQ(log[3], 0x40);
  EXPECT_EQ(log[4] | log[5] << 8, 0x234);
  u8 sum = 0;
  for (const u8 b : log) sum = static_cast<u8>(sum + b);
  EXPECT_EQ(sum, 0);
  run(kDisk, 0, fis(kReadLog, 0x10, 1), {{0x42000, 512}});
  EXPECT_EQ(in_memory(0x42000, 1)[0], 0x80);  // read once
}

struct BadRow {
  const char* name;
  u64 list;
  bool is_fis;
  std::vector<u64> regions;
  u32 cause;
};
class AhciBad : public AhciTest, public testing::WithParamInterface<BadRow> {};
TEST_P(AhciBad, IsFatalToThePort) {
  const BadRow& row = GetParam();
  start(kDisk);
  std::vector<Region> regions;
  for (const u64 at : row.regions) regions.push_back({at, 512, false});
  Fis f = fis(kReadDma, 0, 1);
  if (!row.is_fis) f[0] = 0x46;
  put_command(kDisk, 0, f, regions);
  set(kDisk, kPortCmd, kReceive);
  if (row.list) set(kDisk, kPortList, static_cast<u32>(row.list));
  set(kDisk, kPortCmd, kReceive | kStart);
  issue(kDisk, 0);
  disk->go();
  EXPECT_TRUE(get(kDisk, kPortIs) & row.cause);
  EXPECT_EQ(get(kDisk, kPortCi), 1u);
  EXPECT_TRUE(bench.wires.level());
}
INSTANTIATE_TEST_SUITE_P(Rows, AhciBad,
                         testing::Values(BadRow{"no_list", 0xf0000000, true, {0x40000}, kIsBusFatal},
                                         BadRow{"no_memory", 0, true, {0xd0000000}, kIsBusFatal},
                                         BadRow{"other_frame", 0, false, {0x40000}, kIsInterfaceFatal}),
                         [](const auto& info) { return info.param.name; });

TEST_F(AhciTest, TooLittleRoom) {
  start(kDisk);
  run(kDisk, 0, fis(kReadDma, 0, 4), {{0x40000, 700}});
  disk->go();
  EXPECT_EQ(take_causes(kDisk), kIsOverflow | kIsRegisterFis);
  EXPECT_EQ(transferred(kDisk, 0), 512u);
}

// 10.4.1
TEST_F(AhciTest, SoftwareReset) {
  start(kDisk);
  Fis f = fis(0, 0, 0);
  f[1] = 0;
  f[15] = 4;
  run(kDisk, 0, f, {}, 0x500);
  EXPECT_EQ(get(kDisk, kPortCi), 0u);
  f[15] = 0;
  run(kDisk, 1, f);
  EXPECT_EQ(get(kDisk, kPortCi), 0u);
  EXPECT_EQ(get(kDisk, kPortTfd), 0x0150u);
  EXPECT_EQ(get(kDisk, kPortSig), 0x0101u);
}

// 10.4.2: DET 1 and back; the drive comes up anew, PxSERR tells.
TEST_F(AhciTest, PortReset) {
  start(kDisk);
  EXPECT_EQ(get(kDisk, kPortSerr), 0u);
  set(kDisk, kPortSctl, 0x301);
  EXPECT_EQ(get(kDisk, kPortSsts), 0u);
  EXPECT_EQ(get(kDisk, kPortTfd), 0x7fu);
  set(kDisk, kPortSctl, 0x300);
  EXPECT_EQ(get(kDisk, kPortSsts), 0x123u);
  EXPECT_EQ(get(kDisk, kPortTfd), 0x0150u);
  EXPECT_EQ(get(kDisk, kPortSerr), kSerrExchanged | kSerrPhyReady);
  EXPECT_EQ(get(kDisk, kPortIs), kIsConnect | kIsPhyReady);
  set(kDisk, kPortIs, ~0u);
  EXPECT_EQ(get(kDisk, kPortIs), kIsConnect | kIsPhyReady);  // 3.3.5: these follow PxSERR
  set(kDisk, kPortSerr, ~0u);
  EXPECT_EQ(get(kDisk, kPortIs), 0u);
  set(kDisk, kPortSctl, 0x304);
  EXPECT_EQ(get(kDisk, kPortSsts), 4u);
}

// What is with the host can't be called back: nothing else is fetched before it has ended, and nobody hears
// of it.
TEST_F(AhciTest, StoppedInFlight) {
  start(kDisk);
  run(kDisk, 0, fis(kWriteDma, 9, 1), {{0x40000, 512}}, 0x40);
  set(kDisk, kPortCmd, kReceive);
  EXPECT_TRUE(get(kDisk, kPortCmd) & kCmdRunning);
  set(kDisk, kPortSctl, 0x301);
  set(kDisk, kPortSctl, 0x300);
  set(kDisk, kPortSerr, ~0u);
  set(kDisk, kPortCmd, kReceive | kStart);
  run(kDisk, 0, fis(kReadDma, 9, 1), {{0x41000, 512}});
  EXPECT_EQ(disk->waiting.size(), 1u);
  EXPECT_EQ(get(kDisk, kPortCi), 1u);
  disk->go();
  EXPECT_EQ(get(kDisk, kPortCi), 0u);
  EXPECT_EQ(take_causes(kDisk), kIsRegisterFis);
  EXPECT_EQ(in_memory(0x41000, 512), in_memory(0x40000, 512));
}

TEST_F(AhciTest, CommandListOverride) {
  start(kDisk);
  run(kDisk, 0, fis(kReadDma, 9, 1), {{0x40000, 512}});
  set(kDisk, kPortCmd, kReceive);
  EXPECT_EQ(get(kDisk, kPortTfd), 0x80u);
  set(kDisk, kPortCmd, kReceive | kCmdOverride);
  EXPECT_EQ(get(kDisk, kPortTfd) & 0x88, 0u);
  EXPECT_FALSE(get(kDisk, kPortCmd) & kCmdOverride);
  disk->go();
}

// 10.4.3
TEST_F(AhciTest, HostReset) {
  start(kDisk);
  run(kDisk, 0, fis(kReadDma, 9, 1), {{0x40000, 512}});
  set_host(kGhc, kGhcAhci | kGhcReset);
  EXPECT_EQ(host(kGhc), kGhcAhci);
  EXPECT_EQ(get(kDisk, kPortIe), 0u);
  EXPECT_EQ(get(kDisk, kPortCi), 0u);
  EXPECT_EQ(get(kDisk, kPortSig), 0x0101u);
  disk->go();
  EXPECT_EQ(get(kDisk, kPortIs), kIsConnect | kIsPhyReady);
  EXPECT_FALSE(bench.wires.level());
}

TEST_F(AhciTest, MachineResetInFlight) {
  start(kDisk);
  run(kDisk, 0, fis(kReadDma, 9, 1), {{0x40000, 512}});
  ahci->reset(machine::ResetKind::System);
  EXPECT_TRUE(disk->waiting.empty());
  EXPECT_EQ(bench.read(kBar), low_mask(32));  // the BAR is closed
  enable(*ahci);
  EXPECT_EQ(get(kDisk, kPortCmd) & (kCmdRunning | kStart), 0u);
  EXPECT_EQ(get(kDisk, kPortTfd), 0x0150u);
}

// 10.7: IS keeps a port's bit while the port asks.
TEST_F(AhciTest, InterruptTree) {
  start(kDisk, kIsRegisterFis);
  EXPECT_FALSE(bench.wires.level());
  run(kDisk, 0, fis(kFlush, 0, 0));
  disk->go();
  EXPECT_TRUE(bench.wires.level());
  EXPECT_EQ(host(kIs), 1u);
  set_host(kIs, 1);
  EXPECT_EQ(host(kIs), 1u);
  set(kDisk, kPortIs, ~0u);
  EXPECT_EQ(host(kIs), 1u);
  EXPECT_TRUE(bench.wires.level());
  set_host(kIs, 1);
  EXPECT_EQ(host(kIs), 0u);
  EXPECT_FALSE(bench.wires.level());
  set(kDisk, kPortIe, 0);
  run(kDisk, 0, fis(kFlush, 0, 0));
  disk->go();
  EXPECT_FALSE(bench.wires.level());
  set(kDisk, kPortIe, kIsRegisterFis);
  EXPECT_TRUE(bench.wires.level());
  set_host(kGhc, kGhcAhci);
  EXPECT_FALSE(bench.wires.level());
}

// 10.7.2.1: a message for each bit that comes, and for those that are left after some were cleared.
TEST_F(AhciTest, Messages) {
  unsigned at = ahci->read_config(devices::pci::kCapabilities, 1);
  while (ahci->read_config(at, 1) != devices::pci::kCapabilityMsi) at = ahci->read_config(at + 1, 1);
  ahci->write_config(at + 4, 4, 0xfee00000);
  ahci->write_config(at + 2, 2, 1);
  start(kDisk, kIsRegisterFis);
  start(kDisc, kIsRegisterFis);
  run(kDisk, 0, fis(kFlush, 0, 0));
  disk->go();
  EXPECT_EQ(msi.messages.size(), 1u);
  run(kDisc, 0, fis(0xe5, 0, 0));
  EXPECT_EQ(msi.messages.size(), 2u);
  EXPECT_FALSE(bench.wires.level());
  take_causes(kDisk);
  EXPECT_EQ(msi.messages.size(), 3u);
  take_causes(kDisc);
  EXPECT_EQ(msi.messages.size(), 3u);
  run(kDisk, 0, fis(kFlush, 0, 0));
  disk->go();
  EXPECT_EQ(msi.messages.size(), 4u);
}

class AhciDisc : public AhciTest {
 protected:
  AhciDisc() { start(kDisc); }
  void packet(std::initializer_list<u8> cdb, std::vector<Region> regions, bool dma = true) {
    put_command(kDisc, 0, fis(kPacket, 0, 0, dma), std::move(regions), 0x20);
    std::vector<u8> bytes(16);
    std::copy(cdb.begin(), cdb.end(), bytes.begin());
    memory().write(Gpa{table(kDisc, 0) + 0x40}, bytes);
    issue(kDisc, 0);
    disc->go();
  }
};

TEST_F(AhciDisc, Identify) {
  run(kDisc, 0, fis(kIdentifyPacket, 0, 0), {{0x40000, 512}});
  EXPECT_EQ(in_memory(0x40000, 2), (std::vector<u8>{0xc0, 0x85}));
  EXPECT_EQ(load_le<u16>(&in_memory(0x40000, 512)[152]) & 0x106, 0x006);  // no native queuing
}

TEST_F(AhciDisc, Reads) {
  packet({0x28, 0, 0, 0, 0, 17, 0, 0, 3, 0}, {{0x40000, 3 * 2048}});
  EXPECT_EQ(get(kDisc, kPortTfd), kReady);
  EXPECT_EQ(transferred(kDisc, 0), 3u * 2048);
  EXPECT_EQ(in_memory(0x40000, 3 * 2048), on(*disc, 17 * 2048, 3 * 2048));
  EXPECT_EQ(take_causes(kDisc), kIsRegisterFis);
}

TEST_F(AhciDisc, Replies) {
  packet({0x12, 0, 0, 0, 36, 0}, {{0x40000, 36}}, false);
  EXPECT_EQ(in_memory(0x40000, 1)[0], 5);
  EXPECT_EQ(transferred(kDisc, 0), 36u);
}

TEST_F(AhciDisc, CheckCondition) {
  packet({0x28, 0, 0, 0, 0x10, 0, 0, 0, 1, 0}, {{0x40000, 2048}});
  EXPECT_EQ(get(kDisc, kPortTfd), 0x5400u | kFailed);
  EXPECT_TRUE(take_causes(kDisc) & kIsTaskFile);
}

TEST_F(AhciDisc, OtherDisc) {
  FakeDisk other(16 * 2048, true);
  ASSERT_TRUE(ahci->port(kDisc).insert(&other));
  packet({0x25, 0}, {{0x40000, 8}});
  EXPECT_TRUE(take_causes(kDisc) & kIsTaskFile);  // the medium has changed
  set(kDisc, kPortCmd, kReceive);
  set(kDisc, kPortCmd, kReceive | kStart);
  packet({0x25, 0}, {{0x40000, 8}});
  EXPECT_EQ(load_be<u32>(in_memory(0x40000, 4).data()), 15u);
  EXPECT_FALSE(ahci->port(kDisk).insert(&other));
  ASSERT_TRUE(ahci->port(kDisc).insert(disc));
}

// Lists, tables and regions of any content, while ports are started, stopped and reset.
TEST_F(AhciTest, GarbageInTheLists) {
  const u64 seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  static constexpr u8 kCommands[] = {kReadDma,    kWriteDma,    kFlush,   kIdentify, kReadPio,
                                     kQueuedRead, kQueuedWrite, kReadLog, kPacket,   kIdentifyPacket,
                                     0x90,        0xef,         0xca,     0x08};
  const auto address = [&] { return random() % 8 ? 0x40000 + random() % 0x80000 : random(); };
  for (unsigned i = 0; i < 4000; ++i) {
    const unsigned port = random() % 2 ? kDisk : kDisc;
    const u8 slot = static_cast<u8>(random() % 32);
    Fis f = fis(kCommands[random() % std::size(kCommands)], random() % 10000,
                static_cast<u32>(random() % 300), static_cast<u32>(random() % 300));
    if (random() % 8 == 0) f[random() % f.size()] = static_cast<u8>(random());
    std::vector<Region> regions;
    for (u64 n = random() % 4; n; --n)
      regions.push_back({address(), static_cast<u32>(1 + random() % 0x400000), random() % 2 == 0});
    put_command(port, slot, f, regions, static_cast<u16>(random() & 0x7e0));
    if (random() % 8 == 0) memory().write_value(Gpa{area(port) + slot * 32u + 2}, static_cast<u16>(random()));
    if (random() % 4 == 0) start(port);
    if (random() % 8 == 0) set(port, kPortSctl, static_cast<u32>(random() % 2));
    if (random() % 16 == 0) set(port, kPortList, static_cast<u32>(address()));
    if (random() % 64 == 0) set_host(kGhc, static_cast<u32>(random()));
    if (random() % 2) set(port, kPortSact, static_cast<u32>(random()));
    set(port, kPortCi, u32{1} << slot);
    if (random() % 3 == 0) disk->go();
    if (random() % 3 == 0) disc->go();
  }
  ahci->reset(machine::ResetKind::System);
  enable(*ahci);
  start(kDisk);
  run(kDisk, 0, fis(kReadDma, 5, 1), {{0x40000, 512}});
  disk->go();
  EXPECT_EQ(in_memory(0x40000, 512), on(*disk, 5 * 512, 512));
}

// Saved with commands that wait for their turn behind an error, and gone on with elsewhere.
TEST_F(AhciTest, MovesWithItsState) {
  start(kDisk);
  run(kDisk, 0, fis(kReadDma, 0x123456, 1), {{0x40000, 512}});
  snapshot::StateWriter writer;
  ASSERT_TRUE(ahci->quiesce());
  ahci->save(writer);
  const std::vector<u8> saved = writer.finish();
  ahci->reset(machine::ResetKind::PowerOn);  // lets go of the wire
  ahci = make();
  auto reader = snapshot::StateReader::open(saved);
  ASSERT_TRUE(ahci->load(reader.value()));
  EXPECT_EQ(get(kDisk, kPortTfd), 0x1000u | kFailed);
  EXPECT_EQ(get(kDisk, kPortCi), 1u);
  EXPECT_TRUE(bench.wires.level());
  set(kDisk, kPortCmd, kReceive);
  set(kDisk, kPortCmd, kReceive | kStart);
  take_causes(kDisk);
  EXPECT_FALSE(bench.wires.level());
  run(kDisk, 0, fis(kReadDma, 5, 1), {{0x40000, 512}});
  disk->go();
  EXPECT_EQ(in_memory(0x40000, 512), on(*disk, 5 * 512, 512));
}

TEST_F(AhciTest, StateOfOtherDrives) {
  snapshot::StateWriter writer;
  ahci->save(writer);
  std::map<unsigned, devices::AtaUnit> fewer;
  fewer[kDisc] = {std::make_unique<FakeDisk>(kDiscSectors * 2048, true), true};
  devices::Ahci other(bench.context(), bench.wires.level_irq(), msi, fewer, 4);
  auto reader = snapshot::StateReader::open(writer.finish());
  EXPECT_FALSE(other.load(reader.value()));
}

}  // namespace
}  // namespace tandem::tests
