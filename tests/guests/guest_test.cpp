// Runs the test guests on every engine and compares what they print with their transcripts.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <thread>

#include "core/cpu/cpuid_models.h"
#include "devices/board/pc.h"
#include "tests/support/capture_backend.h"
#include "tests/support/engines.h"

namespace tandem::tests {
namespace {

namespace fs = std::filesystem;
using Kind = machine::RunOutcome::Kind;

constexpr u64 kRomAddress = 0xf0000;
constexpr u16 kExitPort = 0x501;
constexpr auto kLimit = std::chrono::seconds(60);

std::vector<u8> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string read_text(const fs::path& path) {
  const std::vector<u8> bytes = read_file(path);
  return {bytes.begin(), bytes.end()};
}

// The ROM as the CPU finds it after reset, without firmware.
devices::BootLoader rom_loader(std::vector<u8> rom) {
  return [rom = std::move(rom)](mem::GuestMemory& memory, const devices::BootInfo&) -> Result<cpu::CpuState> {
    memory.write(Gpa{kRomAddress}, rom);
    cpu::CpuState state = cpu::reset_state(true, 0);
    state.segments[cpu::kCs].base = kRomAddress;
    return state;
  };
}

struct Row {
  std::string guest;
  EngineRow engine;
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.guest << " on " << row.engine.name; }

std::vector<Row> rows() {
  std::vector<std::string> guests;
  for (const auto& file : fs::directory_iterator(GUEST_SOURCES))
    if (file.path().extension() == ".expected") guests.push_back(file.path().stem());
  std::sort(guests.begin(), guests.end());
  std::vector<Row> all;
  for (const std::string& guest : guests)
    for (const EngineRow& engine : engine_rows()) all.push_back({guest, engine});
  return all;
}

class Guest : public testing::TestWithParam<Row> {};

TEST_P(Guest, PrintsItsTranscript) {
  const Row& row = GetParam();
  cpu::CpuModel model = cpu::default_cpu_model();
  const auto transcript = std::make_shared<Transcript>();
  devices::PcConfig config;
  config.memory_bytes = 32 * MiB;
  config.model = &model;
  config.debugcon = std::make_unique<CaptureBackend>(transcript);
  config.debug_exit_port = kExitPort;
  config.restart_on_reset = false;
  config.boot = rom_loader(read_file(fs::path(GUEST_ROMS) / (row.guest + ".rom")));
  const auto engine = row.engine.make();
  auto pc = devices::Pc::create(std::move(config), *engine);
  ASSERT_TRUE(pc) << pc.error().message;

  std::jthread watchdog([&](std::stop_token stop) {
    const auto end = std::chrono::steady_clock::now() + kLimit;
    while (!stop.stop_requested() && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (!stop.stop_requested()) pc.value()->request_stop();
  });
  const auto outcome = pc.value()->run();
  watchdog.request_stop();
  ASSERT_TRUE(outcome) << outcome.error().message;
  // Kept for a reader to compare.
  std::ofstream(fs::path(GUEST_ROMS) / (row.guest + "." + row.engine.name + ".actual")) << transcript->text();
  EXPECT_EQ(transcript->text(), read_text(fs::path(GUEST_SOURCES) / (row.guest + ".expected")));
  EXPECT_EQ(outcome.value().kind, Kind::DebugExit) << "the guest did not reach its end";
}

INSTANTIATE_TEST_SUITE_P(All, Guest, testing::ValuesIn(rows()),
                         [](const auto& info) { return info.param.guest + "_" + info.param.engine.name; });

}  // namespace
}  // namespace tandem::tests
