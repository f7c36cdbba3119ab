// A driver's view of an AHCI adapter: a disk at port 0, nothing at port 1, a CD-ROM drive at port 2.
#pragma once

#include <gtest/gtest.h>

#include "core/base/bits.h"
#include "devices/pci/regs.h"
#include "devices/storage/ahci.h"
#include "devices/storage/ahci_regs.h"
#include "tests/support/device_bench.h"
#include "tests/support/fake_disk.h"

namespace tandem::tests {

using devices::BlockStatus;

class AhciTest : public testing::Test {
 protected:
  static constexpr u64 kBar = 0xe0000000, kPort = kBar + devices::ahci::kPorts;
  static constexpr u64 kDiskSectors = 8192, kDiscSectors = 300;
  static constexpr unsigned kDisk = 0, kNothing = 1, kDisc = 2;
  static constexpr u32 kStart = 1, kReceive = 0x10;
  // In guest memory, of port n: at n * 0x10000 + 0x10000.
  static constexpr u64 kList = 0, kFis = 0x400, kTables = 0x1000, kTableSize = 0x400, kBuffer = 0x9000;

  AhciTest() {
    auto disk_medium = std::make_unique<FakeDisk>(kDiskSectors * 512);
    auto disc_medium = std::make_unique<FakeDisk>(kDiscSectors * 2048, true);
    disk = disk_medium.get();
    disc = disc_medium.get();
    units[kDisk] = {std::move(disk_medium), false};
    units[kDisc] = {std::move(disc_medium), true};
    ahci = make();
    enable(*ahci);
  }
  std::unique_ptr<devices::Ahci> make() {
    return std::make_unique<devices::Ahci>(bench.context(), bench.wires.level_irq(), msi, units, 4);
  }
  void enable(devices::Ahci& a) {
    a.write_config(0x24, 4, kBar);
    a.write_config(devices::pci::kCommand, 2, devices::pci::kCommandMemory | devices::pci::kCommandMaster);
  }
  static u64 area(unsigned port) { return 0x10000 + port * u64{0x10000}; }
  u32 host(u64 reg) { return static_cast<u32>(bench.read(kBar + reg)); }
  void set_host(u64 reg, u32 v) { bench.write(kBar + reg, v); }
  u32 get(unsigned port, u64 reg) { return static_cast<u32>(bench.read(kPort + port * 0x80 + reg)); }
  void set(unsigned port, u64 reg, u32 v) { bench.write(kPort + port * 0x80 + reg, v); }

  // 10.1.2, in short.
  void start(unsigned port, u32 interrupts = ~0u) {
    using namespace devices::ahci;
    set(port, kPortList, static_cast<u32>(area(port) + kList));
    set(port, kPortFis, static_cast<u32>(area(port) + kFis));
    set(port, kPortCmd, kReceive);
    set(port, kPortSerr, ~0u);
    set(port, kPortIs, ~0u);
    set_host(kIs, ~0u);
    set(port, kPortIe, interrupts);
    set_host(kGhc, kGhcAhci | kGhcInterrupts);
    set(port, kPortCmd, kReceive | kStart);
  }

  struct Region {
    u64 address;
    u32 bytes;
    bool interrupt = false;
  };
  using Fis = std::array<u8, 20>;
  static Fis fis(u8 command, u64 sector, u32 count, u32 features = 0, u8 device = 0x40) {
    Fis f{};
    f[0] = 0x27;
    f[1] = 0x80;
    f[2] = command;
    f[3] = static_cast<u8>(features);
    f[11] = static_cast<u8>(features >> 8);
    for (unsigned i = 0; i < 3; ++i) {
      f[4 + i] = static_cast<u8>(sector >> 8 * i);
      f[8 + i] = static_cast<u8>(sector >> (24 + 8 * i));
    }
    f[7] = device;
    f[12] = static_cast<u8>(count);
    f[13] = static_cast<u8>(count >> 8);
    return f;
  }
  u64 table(unsigned port, u8 slot) const { return area(port) + kTables + slot * kTableSize; }
  void put_command(unsigned port, u8 slot, std::span<const u8> f, std::vector<Region> regions = {},
                   u16 flags = 0) {
    const u64 header = area(port) + kList + slot * 32u;
    memory().write_value(Gpa{header}, static_cast<u16>(5 | flags));
    memory().write_value(Gpa{header + 2}, static_cast<u16>(regions.size()));
    memory().write_value(Gpa{header + 4}, u32{0xdead});
    memory().write_value(Gpa{header + 8}, table(port, slot));
    memory().write(Gpa{table(port, slot)}, f);
    for (u64 i = 0; i < regions.size(); ++i) {
      const u64 at = table(port, slot) + 0x80 + i * 16;
      memory().write_value(Gpa{at}, regions[i].address);
      memory().write_value(Gpa{at + 8}, u32{0});
      memory().write_value(Gpa{at + 12}, (regions[i].bytes - 1) | (regions[i].interrupt ? 0x80000000u : 0));
    }
  }
  void issue(unsigned port, u8 slot) { set(port, devices::ahci::kPortCi, u32{1} << slot); }
  void run(unsigned port, u8 slot, std::span<const u8> f, std::vector<Region> regions = {}, u16 flags = 0) {
    put_command(port, slot, f, std::move(regions), flags);
    issue(port, slot);
  }
  u32 transferred(unsigned port, u8 slot) {
    return memory().read_value<u32>(Gpa{area(port) + kList + slot * 32u + 4});
  }
  std::vector<u8> in_memory(u64 at, u64 bytes) {
    std::vector<u8> data(bytes);
    memory().read(Gpa{at}, data);
    return data;
  }
  std::vector<u8> received(unsigned port, u64 at, u64 bytes) {
    return in_memory(area(port) + kFis + at, bytes);
  }
  static std::vector<u8> on(const FakeDisk& medium, u64 offset, u64 bytes) {
    const auto at = medium.content.begin() + static_cast<i64>(offset);
    return {at, at + static_cast<i64>(bytes)};
  }
  // Clears what a port's interrupt stands for, as a handler does; what it was.
  u32 take_causes(unsigned port) {
    const u32 causes = get(port, devices::ahci::kPortIs);
    set(port, devices::ahci::kPortIs, causes);
    set_host(devices::ahci::kIs, u32{1} << port);
    return causes;
  }
  mem::GuestMemory& memory() const { return bench_memory_; }

  DeviceBench bench;
  mem::GuestMemory& bench_memory_ = bench.context().memory;
  MsiLog msi;
  std::map<unsigned, devices::AtaUnit> units;
  FakeDisk* disk = nullptr;
  FakeDisk* disc = nullptr;
  std::unique_ptr<devices::Ahci> ahci;
};

}  // namespace tandem::tests
