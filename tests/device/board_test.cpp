// What only the whole board shows: which ports are where, and the ports that end a run.
#include <gtest/gtest.h>

#include "core/interp/interp_engine.h"
#include "devices/board/memory_map.h"
#include "tests/support/rom_guest.h"

namespace tandem::tests {
namespace {

using Kind = machine::RunOutcome::Kind;

class Board : public testing::Test {
 protected:
  static constexpr u16 kExitPort = 0xf4;

  Board() {
    devices::PcConfig config;
    config.memory_bytes = 32 * MiB;
    config.model = &model;
    config.clock = machine::ClockKind::Counted;
    config.debugcon = std::make_unique<CaptureBackend>(transcript);
    config.debug_exit_port = kGuestExitPort;
    config.exit_port = kExitPort;
    config.restart_on_reset = false;
    config.date = [] { return i64{1'700'000'000}; };
    config.boot = rom_loader(kSpin);
    pc = devices::Pc::create(std::move(config), *engine).take();
  }
  // How a run ends in which a CPU does this write. A write that ends nothing gives Stopped.
  machine::RunOutcome run_with(u16 port, u64 value, u8 size) {
    out(port, value, size);
    pc->request_stop();
    return pc->run().take();
  }
  u64 access(bus::BusKind bus, bus::IoDir dir, u64 address, u64 value, u8 size) {
    bus::IoAccess a{bus, dir, size, VcpuId{0}, address, 0, value};
    pc->machine().io(a);
    return a.value;
  }
  u64 in(u16 port, u8 size = 1) { return access(bus::BusKind::Pio, bus::IoDir::Read, port, 0, size); }
  void out(u16 port, u64 value, u8 size = 1) {
    access(bus::BusKind::Pio, bus::IoDir::Write, port, value, size);
  }

  inline static const std::vector<u8> kSpin{0xeb, 0xfe};
  cpu::CpuModel model = cpu::default_cpu_model();
  std::shared_ptr<Transcript> transcript = std::make_shared<Transcript>();
  std::unique_ptr<cpu::Engine> engine = interp::make_interp_engine();
  std::unique_ptr<devices::Pc> pc;
};

TEST_F(Board, PortsThatEndARun) {
  struct Row {
    const char* name;
    u16 port;
    u64 value;
    u8 size;
    Kind kind;
    u32 result;
  };
  for (const Row& row : {Row{"debug exit", kGuestExitPort, 0x31, 1, Kind::DebugExit, 0x31},
                         Row{"debug exit, wide", kGuestExitPort, 0x12345678, 4, Kind::DebugExit, 0x12345678},
                         Row{"exit port", kExitPort, 0x07, 1, Kind::ExitPort, 0x07},
                         Row{"panic", devices::kPvpanicPort, 1, 1, Kind::Panic, 1},
                         Row{"crash loaded", devices::kPvpanicPort, 2, 1, Kind::Panic, 2},
                         Row{"soft off", devices::kPmBase + 4, 0x2001, 2, Kind::PowerOff, 0},
                         Row{"reset control", devices::kResetControlPort, 0x06, 1, Kind::Reset, 0},
                         Row{"keyboard controller", 0x64, 0xfe, 1, Kind::Reset, 0},
                         Row{"fast reset", 0x92, 0x03, 1, Kind::Reset, 0}}) {
    SCOPED_TRACE(row.name);
    const machine::RunOutcome outcome = run_with(row.port, row.value, row.size);
    EXPECT_EQ(outcome.kind, row.kind);
    EXPECT_EQ(outcome.value, row.result);
    ASSERT_TRUE(pc->reboot());
  }
}

TEST_F(Board, PvpanicTellsItsEvents) { EXPECT_EQ(in(devices::kPvpanicPort), 0x03u); }

TEST_F(Board, FastResetPortHasA20On) { EXPECT_EQ(in(0x92), 0x02u); }

TEST_F(Board, DebugConsoles) {
  for (u16 port : devices::kDebugconPorts) {
    EXPECT_EQ(in(port), 0xe9u) << "so a guest knows it";
    for (char c : std::string("hi ")) out(port, static_cast<u8>(c));
  }
  EXPECT_EQ(transcript->text(), "hi hi ");
}

// To an 8-bit device a word is two bytes, at two ports.
TEST_F(Board, WordsToByteDevices) {
  out(0x70, 0xa540, 2);
  out(0x70, 0x40);
  EXPECT_EQ(in(0x71), 0xa5u);
  out(0x4d0, 0x0c20, 2);
  EXPECT_EQ(in(0x4d0, 2), 0x0c20u);
}

TEST_F(Board, UnclaimedPortsAreAllOnes) {
  const u64 before = pc->machine().context().pio.unclaimed();
  EXPECT_EQ(in(0x300), 0xffu);
  EXPECT_EQ(in(0x300, 4), 0xffffffffu);
  EXPECT_EQ(pc->machine().context().pio.unclaimed(), before + 2);
}

// IRQ0 ends at pin 2 of the I/O APIC, the others at their own.
TEST_F(Board, InterruptsReachBothControllers) {
  constexpr u64 kSelect = devices::kIoapicBase, kWindow = kSelect + 0x10;
  const auto mmio = [&](u64 at, u64 value) { access(bus::BusKind::Mmio, bus::IoDir::Write, at, value, 4); };
  const auto lapic = [&](u64 reg) {
    return access(bus::BusKind::Mmio, bus::IoDir::Read, devices::kLapicBase + reg, 0, 4);
  };
  ASSERT_TRUE(pc->reboot());
  mmio(devices::kLapicBase + 0xf0, 0x1ff);
  mmio(kSelect, 0x10 + 2 * 4);  // COM1
  mmio(kWindow, 0x44);
  out(0x3f8 + 4, 0x08);
  out(0x3f8 + 1, 0x02);
  EXPECT_EQ(lapic(0x200 + 0x10 * (0x44 / 32)), 1u << 0x44 % 32);
  out(0x20, 0x0a);
  EXPECT_EQ(in(0x20) & 0x10, 0x10u);
}

}  // namespace
}  // namespace tandem::tests
