// A guest's view of the PIIX3's IDE function: a disk hda, a CD-ROM drive hdb, nothing on the second channel.
#pragma once

#include <gtest/gtest.h>

#include "devices/pci/regs.h"
#include "devices/storage/piix3_ide.h"
#include "tests/support/device_bench.h"
#include "tests/support/fake_disk.h"

namespace tandem::tests {

using devices::BlockStatus;

class IdeTest : public testing::Test {
 protected:
  static constexpr u16 kData = 0x1f0, kError = 0x1f1, kCount = 0x1f2, kLow = 0x1f3, kMid = 0x1f4,
                       kHigh = 0x1f5, kDevice = 0x1f6, kStatus = 0x1f7, kControl = 0x3f6, kMaster = 0xc000;
  static constexpr u8 kBsy = 0x80, kDrdy = 0x40, kDrq = 0x08, kErr = 0x01;
  static constexpr u64 kDiskSectors = 8192, kDiscSectors = 300;
  static constexpr u64 kTable = 0x1000, kBuffer = 0x10000;

  IdeTest() {
    auto disk_medium = std::make_unique<FakeDisk>(kDiskSectors * 512);
    auto disc_medium = std::make_unique<FakeDisk>(kDiscSectors * 2048, true);
    disk = disk_medium.get();
    disc = disc_medium.get();
    units[0] = {std::move(disk_medium), false};
    units[1] = {std::move(disc_medium), true};
    ide = make();
    bench.map_ports(kData, 8, ide->command_ports(0), 4);
    bench.map_ports(kControl, 1, ide->control_port(0));
    bench.map_ports(0x170, 8, ide->command_ports(1), 4);
    bench.map_ports(0x376, 1, ide->control_port(1));
    ide->write_config(0x20, 4, kMaster);
  }
  std::unique_ptr<devices::Piix3Ide> make() {
    return std::make_unique<devices::Piix3Ide>(
        bench.context(), std::array{bench.wires.level_irq(14), bench.wires.level_irq(15)}, units);
  }
  u8 in8(u16 port) { return static_cast<u8>(bench.in(port)); }
  u8 alternate_status() { return in8(kControl); }

  void command28(u8 command, u64 lba, u8 count, u8 device = 0) {
    bench.out(kDevice, 0xe0u | device << 4 | (lba >> 24 & 15));
    bench.out(kCount, count);
    bench.out(kLow, lba & 0xff);
    bench.out(kMid, lba >> 8 & 0xff);
    bench.out(kHigh, lba >> 16 & 0xff);
    bench.out(kStatus, command);
  }
  void command48(u8 command, u64 lba, u16 count) {
    bench.out(kDevice, 0x40);
    bench.out(kCount, count >> 8);
    bench.out(kCount, count & 0xff);
    for (u16 i = 0; i < 3; ++i) {
      bench.out(static_cast<u16>(kLow + i), lba >> (24 + 8 * i) & 0xff);
      bench.out(static_cast<u16>(kLow + i), lba >> (8 * i) & 0xff);
    }
    bench.out(kStatus, command);
  }
  std::vector<u8> read_data(u64 bytes) {
    std::vector<u8> data;
    for (u64 i = 0; i < bytes; i += 2) {
      const u64 word = bench.in(kData, 2);
      data.push_back(static_cast<u8>(word));
      data.push_back(static_cast<u8>(word >> 8));
    }
    data.resize(bytes);
    return data;
  }
  void write_data(std::span<const u8> data) {
    for (u64 i = 0; i < data.size(); i += 4) {
      u32 v = 0;
      std::memcpy(&v, &data[i], 4);
      bench.out(kData, v, 4);
    }
  }
  std::vector<u8> on_disk(u64 sector, u64 count) const {
    const auto at = disk->content.begin() + static_cast<i64>(sector * 512);
    return {at, at + static_cast<i64>(count * 512)};
  }
  static std::vector<u8> pattern(u64 bytes, u8 seed) {
    std::vector<u8> data(bytes);
    for (u64 i = 0; i < bytes; ++i) data[i] = static_cast<u8>(i * 13 + (i >> 8) + seed);
    return data;
  }

  struct Region {
    u32 address;
    u32 bytes;  // 64 KiB at most
  };
  void write_table(std::vector<Region> regions, bool end = true) {
    for (u64 i = 0; i < regions.size(); ++i) {
      memory().write_value(Gpa{kTable + i * 8}, regions[i].address);
      const u32 last = end && i + 1 == regions.size() ? 0x80000000 : 0;
      memory().write_value(Gpa{kTable + i * 8 + 4}, (regions[i].bytes & 0xffff) | last);
    }
    bench.out(kMaster + 4, kTable, 4);
  }
  void start_master(bool to_memory) {
    bench.out(kMaster + 2, 0x06);
    bench.out(kMaster, to_memory ? 8 : 0);
    bench.out(kMaster, to_memory ? 9 : 1);
  }
  u8 master_status() { return in8(kMaster + 2); }
  mem::GuestMemory& memory() { return bench.context().memory; }
  std::vector<u8> in_memory(u64 at, u64 bytes) {
    std::vector<u8> data(bytes);
    memory().read(Gpa{at}, data);
    return data;
  }

  DeviceBench bench;
  std::array<devices::AtaUnit, 4> units;
  FakeDisk* disk = nullptr;
  FakeDisk* disc = nullptr;
  std::unique_ptr<devices::Piix3Ide> ide;
};

}  // namespace tandem::tests
