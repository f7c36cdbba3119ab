// What the PC speaker is told to play. Sections: Intel 8254 data sheet (231164-005), "Mode definitions".
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/bits.h"
#include "devices/backend/wav_speaker.h"
#include "devices/platform/pit.h"
#include "tests/support/device_bench.h"
#include "tests/support/rom_guest.h"

namespace tandem::tests {
namespace {

using devices::SpeakerChange;
using devices::SpeakerSound;

class Listener final : public devices::SpeakerSink {
 public:
  void sound(GuestNs now, std::span<const SpeakerChange> all) override {
    ++calls;
    EXPECT_EQ(raw(all[0].at), raw(now));
    changes.assign(all.begin(), all.end());
  }
  const SpeakerSound& now() const { return changes.at(0).sound; }
  unsigned calls = 0;
  std::vector<SpeakerChange> changes;
};

class Speaker : public testing::Test {
 protected:
  static constexpr u16 kCounter2 = 0x42, kControl = 0x43, kSystem = 0x61;
  static constexpr u8 kGate = 1, kData = 2;

  Speaker() {
    bench.map_ports(0x40, 4, pit.ports());
    bench.map_ports(kSystem, 1, pit.system_port());
    pit.add_speaker(listener);
  }
  void program(unsigned mode, u16 count) {
    bench.out(kControl, 0xb0 | mode << 1);
    write_count(count);
  }
  void write_count(u16 count) {
    bench.out(kCounter2, count & 0xff);
    bench.out(kCounter2, count >> 8);
  }
  static i64 ns(u64 ticks) {
    return static_cast<i64>((ticks * time::kSecond + devices::kSpeakerHz - 1) / devices::kSpeakerHz);
  }

  DeviceBench bench;
  devices::Pit pit{bench.context(), irq::EdgeIrq(bench.wires.wire())};
  Listener listener;
};

TEST_F(Speaker, SilentAtFirst) {
  EXPECT_EQ(listener.calls, 1u);
  EXPECT_EQ(listener.now(), SpeakerSound{});
}

// Mode 3: a square wave, with the longer half high for odd counts.
TEST_F(Speaker, SquareWave) {
  program(3, 2711);  // 440 Hz
  EXPECT_EQ(listener.now().period, 0u);
  bench.out(kSystem, kGate | kData);
  EXPECT_EQ(listener.now(), (SpeakerSound{2711, 1356, 0, false}));
  const unsigned calls = listener.calls;
  bench.out(kSystem, kGate | kData);
  EXPECT_EQ(listener.calls, calls);  // nothing new
  bench.out(kSystem, kGate);
  EXPECT_EQ(listener.now(), SpeakerSound{});
  bench.out(kSystem, kData);
  EXPECT_EQ(listener.now(), (SpeakerSound{0, 0, 0, true}));  // without its gate the counter's output is high
}

// A new count waits for the end of the half that runs.
TEST_F(Speaker, AnotherTone) {
  program(3, 1000);
  bench.out(kSystem, kGate | kData);
  bench.clock.advance(ns(2300));
  write_count(400);
  ASSERT_EQ(listener.changes.size(), 2u);
  EXPECT_EQ(listener.now().period, 1000u);
  EXPECT_NEAR(listener.now().phase, 300, 1);
  EXPECT_EQ(listener.changes[1].sound, (SpeakerSound{400, 200, 200, false}));
  EXPECT_NEAR(static_cast<double>(raw(listener.changes[1].at)), static_cast<double>(ns(2500)), 1000.0);
}

// Mode 2: one tick low each period. Modes 0 and 1: low until the count is through.
TEST_F(Speaker, OtherModes) {
  bench.out(kSystem, kGate | kData);
  program(2, 500);
  EXPECT_EQ(listener.now(), (SpeakerSound{500, 499, 0, false}));
  const i64 before = raw(bench.clock.now());
  program(0, 600);
  ASSERT_EQ(listener.changes.size(), 2u);
  EXPECT_EQ(listener.changes[0].sound.level, false);
  EXPECT_EQ(listener.changes[1].sound, (SpeakerSound{0, 0, 0, true}));
  EXPECT_EQ(raw(listener.changes[1].at), before + ns(600));
  bench.clock.advance(ns(700));
  bench.out(kSystem, kGate | kData);
  EXPECT_EQ(listener.changes.size(), 1u);
  EXPECT_TRUE(listener.now().level);
  bench.out(kSystem, kData);
  program(1, 700);
  EXPECT_TRUE(listener.now().level);  // waits for its trigger
  bench.out(kSystem, kGate | kData);
  ASSERT_EQ(listener.changes.size(), 2u);
  EXPECT_FALSE(listener.now().level);
  program(4, 100);
  EXPECT_TRUE(listener.now().level);
}

TEST_F(Speaker, ResetAndLoad) {
  program(3, 1000);
  bench.out(kSystem, kGate | kData);
  snapshot::StateWriter writer;
  pit.save(writer);
  pit.reset(machine::ResetKind::System);
  EXPECT_EQ(listener.now(), SpeakerSound{});
  auto reader = snapshot::StateReader::open(writer.finish());
  ASSERT_TRUE(pit.load(reader.value()));
  EXPECT_EQ(listener.now().period, 1000u);
  pit.remove_speaker(listener);
  const unsigned calls = listener.calls;
  bench.out(kSystem, 0);
  EXPECT_EQ(listener.calls, calls);
}

// A tone that sounds when the machine stops: who keeps it in a file hears how long.
TEST_F(Speaker, IsToldWhenTheMachineStops) {
  program(3, 1000);
  bench.out(kSystem, kGate | kData);
  const unsigned calls = listener.calls;
  bench.clock.advance(ns(2300));
  ASSERT_TRUE(pit.quiesce());
  EXPECT_EQ(listener.calls, calls + 1);
  EXPECT_EQ(raw(listener.changes.at(0).at), raw(bench.clock.now()));
  EXPECT_EQ(listener.now().period, 1000u);
  EXPECT_NEAR(listener.now().phase, 300, 1) << "it goes on where it is";
}

// The file holds the wave at its frequency, and silence in its length.
TEST(WavFile, HoldsWhatWasPlayed) {
  const auto path = std::filesystem::temp_directory_path() / ("speaker." + std::to_string(getpid()) + ".wav");
  {
    auto file = devices::WavSpeaker::create(path);
    ASSERT_TRUE(file) << file.error().message;
    const auto at = [](i64 ms) { return GuestNs{ms * time::kMillisecond}; };
    const auto tell = [&](i64 ms, SpeakerSound s) {
      const SpeakerChange change{at(ms), s};
      file.value()->sound(at(ms), {&change, 1});
    };
    tell(0, {});
    tell(100, {1193, 597, 0, false});  // 1000 Hz
    tell(300, {});
    tell(350, {});
  }
  const std::vector<u8> bytes = read_bytes(path);
  std::filesystem::remove(path);
  ASSERT_EQ(bytes.size(), 44u + 2 * 48 * 350);
  EXPECT_EQ(std::string(bytes.begin(), bytes.begin() + 4), "RIFF");
  EXPECT_EQ(load_le<u32>(&bytes[24]), 48000u);
  EXPECT_EQ(load_le<u32>(&bytes[40]), 2u * 48 * 350);
  unsigned rises = 0, loud = 0;
  i16 before = 0;
  for (std::size_t i = 44; i + 1 < bytes.size(); i += 2) {
    const i16 sample = load_le<i16>(&bytes[i]);
    rises += before == 0 && sample != 0;
    loud += sample != 0;
    before = sample;
  }
  EXPECT_NEAR(rises, 200, 1);
  EXPECT_NEAR(loud, 4800, 50);
  EXPECT_EQ(load_le<i16>(&bytes[44 + 2 * 48 * 99]), 0);
}

TEST(WavFile, Refusal) { EXPECT_FALSE(devices::WavSpeaker::create("/nowhere/x.wav")); }

}  // namespace
}  // namespace tandem::tests
