// Garbage from a guest: to one device's registers alone, and to every port, BAR and configuration register of
// the board. Nothing may crash (sanitizers see to the rest), and after a reset all is as it was.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "core/base/bits.h"
#include "core/interp/interp_engine.h"
#include "tests/support/fake_disk.h"
#include "tests/support/fake_network.h"
#include "tests/support/pci_bars.h"
#include "tests/support/rom_guest.h"

namespace tandem::tests {
namespace {

using bus::BusKind;
using bus::IoDir;

struct Target {
  BusKind bus;
  bus::IoRange range;
  std::string owner;
};

class Hostile {
 public:
  explicit Hostile(u64 seed) : random(seed) {
    guest = make_rom_guest(interp::make_interp_engine(), {}, machine::ClockKind::Counted,
                           [this](devices::PcConfig& config) { fill(config); });
    EXPECT_TRUE(guest->pc->reboot());
    place_bars(guest->pc->machine());
    scatter();
  }

  void access(BusKind bus, IoDir dir, u64 address, u8 size, u64 value) {
    bus::IoAccess a{bus, dir, size, VcpuId{0}, address, 0, value};
    guest->pc->machine().io(a);
    last = a.value;
  }
  u64 in(u16 port, u8 size = 1) { return access(BusKind::Pio, IoDir::Read, port, size, 0), last; }
  void out(u16 port, u64 value, u8 size = 1) { access(BusKind::Pio, IoDir::Write, port, size, value); }

  std::vector<Target> targets() {
    std::vector<Target> all;
    machine::Machine& m = guest->pc->machine();
    for (bus::Bus* bus : {&m.pio(), &m.mmio()})
      for (const bus::ClaimInfo& c : bus->claims()) all.push_back({bus->kind(), c.range, c.owner});
    return all;
  }
  // One access of any size and direction. Numbers that mean something, mostly: small ones, addresses of RAM.
  void poke(const Target& t) {
    const u8 size = static_cast<u8>(1 << random() % 3);
    const u64 address = t.range.start + random() % t.range.length;
    const u64 values[] = {random(), random() & 0xff, random() % 4, random() % (32 * MiB) & ~u64{3},
                          u64{1} << random() % 32};
    access(t.bus, random() % 4 ? IoDir::Write : IoDir::Read, address, size,
           values[random() % std::size(values)] & low_mask(8u * size));
    if (random() % 8 == 0)
      for (FakeDisk* d : disks) d->go();
  }
  // Memory mapping on, or moved, or anything else that configuration space has.
  void configure() {
    out(0xcf8, 0x80000000 | (random() % 8 << 11) | (random() % 4 << 8) | (random() % 64 << 2), 4);
    if (random() % 2) out(0xcfc, random() % 8, 2);
    else out(0xcfc, random() & 0xfffffff7, 4);
  }
  u64 vendor(unsigned slot, unsigned function) {
    out(0xcf8, 0x80000000 | slot << 11 | function << 8, 4);
    return in(0xcfc, 4);
  }
  std::vector<u64> vendors() {
    std::vector<u64> all;
    for (unsigned slot = 0; slot < 8; ++slot)
      for (unsigned function = 0; function < 4; ++function) all.push_back(vendor(slot, function));
    return all;
  }

  // Registers that keep a number, and do nothing with it, of devices other than `owner`.
  std::vector<u16> keepers(const std::string& owner) {
    std::vector<u16> ports;
    const auto claims = guest->pc->machine().pio().claims();
    for (const u16 port : {0x21, 0xa1, 0x80, 0x3ff, 0x2ff, 0x3ef, 0x2ef})
      for (const bus::ClaimInfo& c : claims)
        if (port >= c.range.start && port - c.range.start < c.range.length && c.owner != owner)
          ports.push_back(port);
    return ports;
  }

  std::shared_ptr<FakeNetwork::Shared> network = std::make_shared<FakeNetwork::Shared>();
  std::mt19937_64 random;
  std::vector<FakeDisk*> disks;
  std::unique_ptr<RomGuest> guest;
  u64 last = 0;

 private:
  std::unique_ptr<FakeDisk> disk(bool read_only = false) {
    auto made = std::make_unique<FakeDisk>(MiB, read_only);
    disks.push_back(made.get());
    return made;
  }
  void fill(devices::PcConfig& config) {
    config.firmware = devices::FirmwareConfig{.rom = std::vector<u8>(64 * KiB, 0xf4),
                                              .variables = std::vector<u8>(64 * KiB, 0xff),
                                              .variables_file = disk()};
    config.vga = devices::VgaConfig{.memory_bytes = MiB, .rom = {0x55, 0xaa}};
    config.ide[0] = {disk(), false};
    config.ide[2] = {disk(true), true};
    config.usb_tablet = config.usb_keyboard = true;
    config.ahci[0] = {disk(), false};
    config.ahci[1] = {disk(true), true};
    config.floppy = disk();
    config.virtio.disks[0] = disk();
    config.e1000.push_back(
        {std::make_unique<devices::NetBackend>(std::make_unique<FakeNetwork>(network)), {2, 0, 0, 0, 0, 1}});
    config.virtio.entropy = [](std::span<u8> bytes) { std::ranges::fill(bytes, u8{7}); };
  }
  // Small numbers and addresses, wherever a device looks for a descriptor.
  void scatter() {
    mem::GuestMemory& memory = guest->pc->memory();
    for (u64 at = 0; at < memory.low_size(); at += 64)
      memory.write_value<u64>(Gpa{at}, random() % 3 ? random() % (33 * MiB) : random());
  }
};

std::vector<std::string> owners() {
  std::set<std::string> names;
  for (const Target& t : Hostile(1).targets()) names.insert(t.owner);
  return {names.begin(), names.end()};
}

class HostileDevice : public testing::TestWithParam<std::string> {};

TEST_P(HostileDevice, TakesGarbage) {
  const u64 seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Hostile hostile(seed);
  const std::vector<u64> before = hostile.vendors();
  std::vector<Target> mine = hostile.targets();
  std::erase_if(mine, [](const Target& t) { return t.owner != GetParam(); });
  const std::vector<u16> others = hostile.keepers(GetParam());
  ASSERT_GE(others.size(), 4u);
  for (const u16 port : others) hostile.out(port, port ^ 0x5a);
  for (unsigned i = 0; i < 4000; ++i) hostile.poke(mine[hostile.random() % mine.size()]);
  for (const u16 port : others) EXPECT_EQ(hostile.in(port), (port ^ 0x5au) & 0xff) << std::hex << port;
  ASSERT_TRUE(hostile.guest->pc->reboot());
  EXPECT_EQ(hostile.vendors(), before);
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, HostileDevice, testing::ValuesIn(owners()), test_name);

TEST(HostileBoard, TakesGarbageEverywhere) {
  const u64 seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Hostile hostile(seed);
  const std::vector<u64> before = hostile.vendors();
  for (unsigned round = 0; round < 12; ++round) {
    for (unsigned i = 0; i < 20; ++i) hostile.configure();
    const std::vector<Target> all = hostile.targets();
    for (unsigned i = 0; i < 4000; ++i) hostile.poke(all[hostile.random() % all.size()]);
    for (unsigned i = 0; i < 1000; ++i) hostile.poke({BusKind::Pio, {0, 0x10000}, ""});
    if (hostile.random() % 4 == 0) ASSERT_TRUE(hostile.guest->pc->reboot());
    if (const devices::Display* display = hostile.guest->pc->display()) {
      const devices::Picture picture = display->picture();
      EXPECT_EQ(picture.width == 0, picture.height == 0);
    }
  }
  ASSERT_TRUE(hostile.guest->pc->reboot());
  EXPECT_EQ(hostile.vendors(), before);
  hostile.out(0x3ff, 0x5a);  // a scratch register
  EXPECT_EQ(hostile.in(0x3ff), 0x5au);
  hostile.out(0x21, 0xa5);
  EXPECT_EQ(hostile.in(0x21), 0xa5u);
}

}  // namespace
}  // namespace tandem::tests
