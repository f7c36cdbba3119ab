// Save and load: of a CPU's state, of every device of the PC, of a whole machine in the middle of a guest.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>

#include "core/base/bits.h"
#include "core/snapshot/cpu_archive.h"
#include "tests/support/engines.h"
#include "tests/support/fake_disk.h"
#include "tests/support/fake_network.h"
#include "tests/support/pci_bars.h"
#include "tests/support/rom_guest.h"

namespace tandem::tests {
namespace {

using machine::ClockKind;
using machine::Device;
using machine::ResetKind;

// With firmware, so that all devices are there.
std::unique_ptr<RomGuest> idle_pc() {
  auto guest =
      make_rom_guest(interp::make_interp_engine(), {}, ClockKind::Counted, [](devices::PcConfig& config) {
        config.firmware = devices::FirmwareConfig{.rom = std::vector<u8>(64 * KiB, 0xf4),
                                                  .variables = std::vector<u8>(64 * KiB, 0xff),
                                                  .variables_file = nullptr};
        config.vga = devices::VgaConfig{.memory_bytes = MiB, .rom = {0x55, 0xaa}};
        config.usb_tablet = config.usb_keyboard = true;
        config.ahci[0] = {std::make_unique<FakeDisk>(MiB), false};
        config.ahci[2] = {std::make_unique<FakeDisk>(MiB, true), true};
        config.e1000.push_back({std::make_unique<devices::NetBackend>(
                                    std::make_unique<FakeNetwork>(std::make_shared<FakeNetwork::Shared>())),
                                {2, 0, 0, 0, 0, 1}});
        config.virtio.disks[0] = std::make_unique<FakeDisk>(MiB);
        config.virtio.entropy = [](std::span<u8> bytes) { std::ranges::fill(bytes, u8{7}); };
        config.virtio.gpu = config.virtio.input = config.virtio.balloon = true;
      });
  place_bars(guest->pc->machine());
  return guest;
}

std::vector<u8> save(const Device& device) {
  snapshot::StateWriter writer;
  device.save(writer);
  return writer.finish();
}

Result<void> load(Device& device, std::vector<u8> bytes) {
  TANDEM_TRY_ASSIGN(reader, snapshot::StateReader::open(std::move(bytes)));
  TANDEM_TRY(device.load(reader));
  return reader.finish();
}

// Random accesses to all of the board's ports and MMIO but those that end a run.
void exercise(devices::Pc& pc, std::mt19937_64& random) {
  struct Range {
    bus::BusKind kind;
    u64 start, length;
  };
  static constexpr Range kRanges[] = {
      {bus::BusKind::Pio, 0x20, 2},           {bus::BusKind::Pio, 0xa0, 2},
      {bus::BusKind::Pio, 0x4d0, 2},          {bus::BusKind::Pio, 0x40, 4},
      {bus::BusKind::Pio, 0x61, 1},           {bus::BusKind::Pio, 0x70, 2},
      {bus::BusKind::Pio, 0x60, 1},           {bus::BusKind::Pio, 0x3f8, 8},
      {bus::BusKind::Pio, 0x2f8, 8},          {bus::BusKind::Pio, 0x3e8, 8},
      {bus::BusKind::Pio, 0x2e8, 8},          {bus::BusKind::Pio, 0xb2, 2},
      {bus::BusKind::Pio, 0xcf8, 4},          {bus::BusKind::Pio, 0x600, 4},
      {bus::BusKind::Pio, 0x00, 16},          {bus::BusKind::Pio, 0x81, 15},
      {bus::BusKind::Pio, 0xc0, 32},          {bus::BusKind::Pio, 0x3f0, 6},
      {bus::BusKind::Pio, 0x3f7, 1},          {bus::BusKind::Pio, 0x510, 2},
      {bus::BusKind::Pio, 0x3b0, 12},         {bus::BusKind::Pio, 0x3c0, 32},
      {bus::BusKind::Pio, 0x1ce, 3},          {bus::BusKind::Mmio, 0xa0000, 0x20000},
      {bus::BusKind::Mmio, 0xfec00000, 0x20}, {bus::BusKind::Mmio, 0xfed00000, 0x160},
  };
  std::vector<Range> ranges(std::begin(kRanges), std::end(kRanges));
  for (bus::Bus* bus : {&pc.machine().pio(), &pc.machine().mmio()})
    for (const auto& [range, owner] : bus->claims())
      if ((range.start >= kBarPorts && range.start < kBarPortsEnd) ||
          (range.start >= kBarMemory && range.start < kBarMemoryEnd))
        ranges.push_back({bus->kind(), range.start, range.length});
  for (unsigned i = 0; i < 3000; ++i) {
    const Range& r = ranges[random() % ranges.size()];
    const u8 size = static_cast<u8>(1 << random() % 3);
    const u64 address = (r.start + random() % r.length) & ~u64{size - 1u};
    bus::IoAccess access{r.kind,
                         random() % 3 ? bus::IoDir::Write : bus::IoDir::Read,
                         size,
                         VcpuId{0},
                         address,
                         0,
                         random() & low_mask(8 * size)};
    pc.machine().io(access);
  }
}

std::vector<std::string> device_names() {
  std::vector<std::string> names;
  const auto guest = idle_pc();
  for (const Device* d : guest->pc->devices()) names.emplace_back(d->name());
  return names;
}

Device& device_named(devices::Pc& pc, const std::string& name) {
  for (Device* d : pc.devices())
    if (d->name() == name) return *d;
  throw std::runtime_error("no device " + name);
}

class DeviceSnapshot : public testing::TestWithParam<std::string> {};

TEST_P(DeviceSnapshot, LoadsWhatItSaved) {
  const u64 seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto guest = idle_pc();
  Device& device = device_named(*guest->pc, GetParam());
  for (unsigned round = 0; round < 20; ++round) {
    exercise(*guest->pc, random);
    const std::vector<u8> saved = save(device);
    exercise(*guest->pc, random);
    const auto loaded = load(device, saved);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(save(device), saved) << "round " << round;
    device.reset(ResetKind::PowerOn);
    ASSERT_TRUE(load(device, saved));
    EXPECT_EQ(save(device), saved) << "round " << round << ", after a reset";
  }
}

TEST_P(DeviceSnapshot, RefusesDamageAndStaysAsItWas) {
  const u64 seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto guest = idle_pc();
  Device& device = device_named(*guest->pc, GetParam());
  exercise(*guest->pc, random);
  const std::vector<u8> saved = save(device);
  exercise(*guest->pc, random);
  const std::vector<u8> present = save(device);
  for (std::size_t length = 0; length < saved.size(); length += 1 + saved.size() / 16)
    EXPECT_FALSE(load(device, {saved.begin(), saved.begin() + static_cast<i64>(length)}))
        << length << " bytes";
  for (unsigned i = 0; i < 64; ++i) {
    std::vector<u8> flipped = saved;
    const u64 bit = random() % (8 * flipped.size());
    flipped[bit / 8] ^= static_cast<u8>(1 << bit % 8);
    EXPECT_FALSE(load(device, flipped)) << "bit " << bit;
  }
  EXPECT_EQ(save(device), present);
}

INSTANTIATE_TEST_SUITE_P(All, DeviceSnapshot, testing::ValuesIn(device_names()), [](const auto& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

// All bytes 1: every bool is true and every enumeration and number has a value that is not the initial one.
cpu::CpuState every_field_set() {
  cpu::CpuState s;
  // SAFETY: CpuState is plain data; 1 is a value of each of its bools and enumerations.
  std::memset(static_cast<void*>(&s), 1, sizeof s);
  s.zero = 0;
  return s;
}

TEST(CpuSnapshot, KeepsEveryField) {
  const cpu::CpuState state = every_field_set();
  snapshot::StateWriter writer;
  snapshot::save_cpu(writer, "cpu", state);
  auto reader = snapshot::StateReader::open(writer.finish());
  ASSERT_TRUE(reader) << reader.error().message;
  cpu::CpuState loaded;
  const auto result = snapshot::load_cpu(reader.value(), "cpu", loaded);
  ASSERT_TRUE(result) << result.error().message;
  // What was not kept is 0 in `loaded`: only padding, `zero`, and the parts that FXSAVE's layout leaves
  // unused may be.
  const auto* bytes = reinterpret_cast<const u8*>(&loaded);
  std::size_t lost = 0;
  for (std::size_t i = 0; i < sizeof loaded; ++i) lost += bytes[i] != 1;
  const std::size_t segments = cpu::kSegmentCount + 2;
  const std::size_t segment_padding = sizeof(cpu::Segment) - (2 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 4 + 8);
  const std::size_t unused_x87 = 1 + 4 + 4, table_padding = 2 * 6;
  const std::size_t alignment = 4 * alignof(cpu::Zmm);  // of members behind each other
  EXPECT_LE(lost, 8 + segments * segment_padding + unused_x87 + table_padding + alignment);
  snapshot::StateWriter again;
  snapshot::save_cpu(again, "cpu", loaded);
  snapshot::StateWriter first;
  snapshot::save_cpu(first, "cpu", state);
  EXPECT_EQ(again.finish(), first.finish());
}

struct MachineRow {
  EngineRow engine;
  std::string guest;
};
void PrintTo(const MachineRow& row, std::ostream* out) { *out << row.guest << " on " << row.engine.name; }

class MachineSnapshot : public testing::TestWithParam<MachineRow> {};

// A guest that is stopped again and again, each time moved to a new machine, prints what it would have
// printed.
TEST_P(MachineSnapshot, GuestGoesOnElsewhere) {
  constexpr unsigned kMoves = 8;
  const std::string& name = GetParam().guest;
  const std::vector<u8> rom = read_bytes(std::filesystem::path(GUEST_ROMS) / (name + ".rom"));
  const std::vector<u8> expected = read_bytes(std::filesystem::path(GUEST_SOURCES) / (name + ".expected"));
  ASSERT_FALSE(rom.empty());
  auto guest = make_rom_guest(GetParam().engine.make(), rom);
  std::string printed;
  for (unsigned move = 0;; ++move) {
    std::thread stopper;
    if (move < kMoves)
      stopper = std::thread([&] {
        std::this_thread::sleep_for(std::chrono::microseconds(500));
        guest->pc->request_stop();
      });
    const auto outcome = guest->pc->run();
    if (stopper.joinable()) stopper.join();
    ASSERT_TRUE(outcome) << outcome.error().message;
    printed += guest->transcript->text();
    if (outcome.value().kind == machine::RunOutcome::Kind::DebugExit) break;
    ASSERT_EQ(outcome.value().kind, machine::RunOutcome::Kind::Stopped) << printed;
    auto bytes = guest->pc->save();
    ASSERT_TRUE(bytes) << bytes.error().message;
    auto next = make_rom_guest(GetParam().engine.make(), rom);
    const auto loaded = next->pc->load(bytes.take());
    ASSERT_TRUE(loaded) << loaded.error().message;
    guest = std::move(next);
  }
  EXPECT_EQ(printed, std::string(expected.begin(), expected.end()));
}

std::vector<MachineRow> machine_rows() {
  std::vector<MachineRow> rows;
  for (const EngineRow& engine : engine_rows())
    for (const char* guest : {"selfmod64", "legacy32", "long64", "real16"}) rows.push_back({engine, guest});
  return rows;
}

INSTANTIATE_TEST_SUITE_P(All, MachineSnapshot, testing::ValuesIn(machine_rows()),
                         [](const auto& info) { return info.param.guest + "_" + info.param.engine.name; });

}  // namespace
}  // namespace tandem::tests
