// Runs the test guests on every engine and compares what they print with their transcripts.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <random>
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

std::vector<std::string> guest_names() {
  std::vector<std::string> guests;
  for (const auto& file : fs::directory_iterator(GUEST_SOURCES))
    if (file.path().extension() == ".expected") guests.push_back(file.path().stem());
  std::sort(guests.begin(), guests.end());
  return guests;
}

std::vector<Row> rows() {
  std::vector<EngineRow> engines = engine_rows();
  engines.push_back(kvm_row("kvm", hwassist::Assist::User));
  std::vector<Row> all;
  for (const std::string& guest : guest_names())
    for (const EngineRow& engine : engines) all.push_back({guest, engine});
  // With all of the code on KVM, of use or not: what a kernel's emulator does right, too.
  for (const char* guest :
       {"branches64", "frames64", "real16", "shadow32", "smm", "system32", "tasks32", "v86"})
    all.push_back({guest, kvm_row("kvm_whole", hwassist::Assist::Full)});
  return all;
}

// Ends a guest that does not come to its end.
std::jthread watchdog_of(devices::Pc& pc) {
  return std::jthread([&pc](std::stop_token stop) {
    const auto end = std::chrono::steady_clock::now() + kLimit;
    while (!stop.stop_requested() && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (!stop.stop_requested()) pc.request_stop();
  });
}

void expect_transcript(RomGuest& guest, const std::string& name, const std::string& engine) {
  auto outcome = [&] {
    const std::jthread watchdog = watchdog_of(*guest.pc);
    return guest.pc->run();
  }();
  ASSERT_TRUE(outcome) << outcome.error().message;
  // Kept for a reader to compare.
  std::ofstream(fs::path(GUEST_ROMS) / (name + "." + engine + ".actual")) << guest.transcript->text();
  EXPECT_EQ(guest.transcript->text(), read_text(fs::path(GUEST_SOURCES) / (name + ".expected")));
  EXPECT_EQ(outcome.value().kind, Kind::DebugExit) << "the guest did not reach its end";
}

class Guest : public testing::TestWithParam<Row> {};

TEST_P(Guest, PrintsItsTranscript) {
  const Row& row = GetParam();
  if (row.engine.name.starts_with("kvm"))
    if (const std::string obstacle = kvm_obstacle(); !obstacle.empty()) GTEST_SKIP() << obstacle;
  const std::vector<u8> rom = read_bytes(fs::path(GUEST_ROMS) / (row.guest + ".rom"));
  ASSERT_FALSE(rom.empty()) << row.guest;
  const auto guest = make_rom_guest(row.engine.make(), rom);
  expect_transcript(*guest, row.guest, row.engine.name);
}

// How often engines changed while the guest ran.
unsigned run_switched(const std::string& name, u32 seed) {
  std::vector<std::unique_ptr<cpu::Engine>> engines;
  engines.push_back(interp::make_interp_engine());
  engines.push_back(jit::make_jit_engine({.threshold = 0, .exact_flags = true}));
  if (kvm_obstacle().empty()) engines.push_back(kvm_row("kvm", hwassist::Assist::User).make());
  const auto guest =
      make_rom_guest(interp::make_interp_engine(), read_bytes(fs::path(GUEST_ROMS) / (name + ".rom")));
  unsigned switches = 0;
  {
    const std::jthread switcher([&](std::stop_token stop) {
      std::mt19937 random(seed);
      while (!stop.stop_requested()) {
        const auto result = guest->pc->machine().switch_engine(*engines[random() % engines.size()]);
        if (!result) ADD_FAILURE() << result.error().message;
        ++switches;
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
      }
    });
    expect_transcript(*guest, name, "switched");
  }
  return switches;
}

// Every mode, and what is under way in each of them, as the moment has it. On a busy host a guest may have
// ended before a switch: then it is for another one.
class SwitchedGuest : public testing::TestWithParam<std::string> {};

TEST_P(SwitchedGuest, PrintsItsTranscriptWhileEnginesChange) {
  constexpr unsigned kTries = 50;
  u32 seed = std::random_device{}();
  unsigned switches = 0;
  for (unsigned i = 0; i < kTries && switches == 0 && !HasFailure(); ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << ++seed);
    switches = run_switched(GetParam(), seed);
  }
  EXPECT_GT(switches, 0u);
}

INSTANTIATE_TEST_SUITE_P(All, SwitchedGuest, testing::ValuesIn(guest_names()),
                         [](const auto& info) { return info.param; });

INSTANTIATE_TEST_SUITE_P(All, Guest, testing::ValuesIn(rows()),
                         [](const auto& info) { return info.param.guest + "_" + info.param.engine.name; });

}  // namespace
}  // namespace tandem::tests
