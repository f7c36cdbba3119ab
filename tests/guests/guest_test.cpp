// Runs the test guests on every engine and compares what they print with their transcripts.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <thread>

#include "tests/support/kvm_engines.h"
#include "tests/support/rom_guest.h"

namespace tandem::tests {
namespace {

namespace fs = std::filesystem;
using Kind = machine::RunOutcome::Kind;

constexpr auto kLimit = std::chrono::seconds(60);

std::string read_text(const fs::path& path) {
  const std::vector<u8> bytes = read_bytes(path);
  return {bytes.begin(), bytes.end()};
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
  std::vector<EngineRow> engines = engine_rows();
  engines.push_back(kvm_row("kvm", hwassist::Assist::User));
  std::vector<Row> all;
  for (const std::string& guest : guests)
    for (const EngineRow& engine : engines) all.push_back({guest, engine});
  // With all of the code on KVM, of use or not: what a kernel's emulator does right, too.
  for (const char* guest :
       {"branches64", "frames64", "real16", "shadow32", "smm", "system32", "tasks32", "v86"})
    all.push_back({guest, kvm_row("kvm_whole", hwassist::Assist::Full)});
  return all;
}

class Guest : public testing::TestWithParam<Row> {};

TEST_P(Guest, PrintsItsTranscript) {
  const Row& row = GetParam();
  if (row.engine.name.starts_with("kvm"))
    if (const std::string obstacle = kvm_obstacle(); !obstacle.empty()) GTEST_SKIP() << obstacle;
  const std::vector<u8> rom = read_bytes(fs::path(GUEST_ROMS) / (row.guest + ".rom"));
  ASSERT_FALSE(rom.empty()) << row.guest;
  const auto guest = make_rom_guest(row.engine.make(), rom);
  devices::Pc& pc = *guest->pc;

  std::jthread watchdog([&](std::stop_token stop) {
    const auto end = std::chrono::steady_clock::now() + kLimit;
    while (!stop.stop_requested() && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (!stop.stop_requested()) pc.request_stop();
  });
  const auto outcome = pc.run();
  watchdog.request_stop();
  ASSERT_TRUE(outcome) << outcome.error().message;
  // Kept for a reader to compare.
  std::ofstream(fs::path(GUEST_ROMS) / (row.guest + "." + row.engine.name + ".actual"))
      << guest->transcript->text();
  EXPECT_EQ(guest->transcript->text(), read_text(fs::path(GUEST_SOURCES) / (row.guest + ".expected")));
  EXPECT_EQ(outcome.value().kind, Kind::DebugExit) << "the guest did not reach its end";
}

INSTANTIATE_TEST_SUITE_P(All, Guest, testing::ValuesIn(rows()),
                         [](const auto& info) { return info.param.guest + "_" + info.param.engine.name; });

}  // namespace
}  // namespace tandem::tests
