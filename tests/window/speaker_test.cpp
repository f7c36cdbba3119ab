// The speaker's line as samples, and what SDL's "disk" driver writes of it to a file.
#include "frontend-sdl/speaker.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

namespace tandem::tests {
namespace {

namespace fs = std::filesystem;
using devices::kSpeakerHz;
using devices::SpeakerChange;
using devices::SpeakerSound;

constexpr double kRate = 48000;

SpeakerSound tone(u32 hertz) {
  const u32 period = static_cast<u32>(kSpeakerHz / hertz);
  return {.period = period, .high = period / 2};
}

// Of the part where there is sound.
double frequency(std::span<const float> all) {
  constexpr float kLoud = 0.05f;
  std::size_t first = 0, last = 0, rises = 0;
  bool low = false;
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (all[i] < -kLoud) low = true;
    if (!low || all[i] < kLoud) continue;
    low = false;
    if (!first) first = i;
    else ++rises;
    last = i;
  }
  return rises ? static_cast<double>(rises) * kRate / static_cast<double>(last - first) : 0;
}

class SpeakerWaveTest : public testing::Test {
 protected:
  void say(double at, SpeakerSound sound) {
    const SpeakerChange change{GuestNs{0}, sound};
    wave.add(at, {&change, 1});
  }
  std::vector<float> hear(double from, double seconds) {
    std::vector<float> samples(static_cast<std::size_t>(seconds * kRate));
    wave.render(from, kRate, samples);
    return samples;
  }
  frontend::SpeakerWave wave;
};

TEST_F(SpeakerWaveTest, Tones) {
  for (const u32 hertz : {100u, 440u, 1000u, 4000u}) {
    say(1, tone(hertz));
    EXPECT_NEAR(frequency(hear(1, 0.5)), hertz, hertz * 0.01);
    EXPECT_FALSE(wave.is_quiet());
  }
  say(2, {});
  EXPECT_NEAR(hear(2, 0.1).back(), 0, 0.001) << "silence";
  EXPECT_TRUE(wave.is_quiet());
}

TEST_F(SpeakerWaveTest, ALevelIsAClick) {
  say(1, {.level = true});
  const std::vector<float> heard = hear(0.9, 0.3);
  EXPECT_NEAR(*std::max_element(heard.begin(), heard.end()), 0.25, 0.01);
  EXPECT_NEAR(heard.back(), 0, 0.01) << "a cone that stands still is not heard";
}

// A sine of 500 Hz, by how long the line is high of every 62.5 microseconds.
TEST_F(SpeakerWaveTest, Pulses) {
  constexpr double kPulse = 1 / 16000.0;
  for (int i = 0; i < 8000; ++i) {
    const double at = i * kPulse, width = (0.5 + 0.45 * std::sin(2 * M_PI * 500 * at)) * kPulse;
    say(at, {.level = true});
    say(at + width, {.level = false});
  }
  std::vector<float> heard = hear(0, 0.5);
  for (std::size_t i = 0; i + 3 <= heard.size(); ++i)  // as an ear takes it, which does not hear the pulses
    heard[i] = (heard[i] + heard[i + 1] + heard[i + 2]) / 3;
  EXPECT_NEAR(frequency(heard), 500, 10);
}

TEST_F(SpeakerWaveTest, WhatIsSaidLaterTakesTheEarliersPlace) {
  const SpeakerChange changes[] = {{GuestNs{5}, tone(440)}, {GuestNs{500'000'005}, tone(1000)}};
  wave.add(1, changes);
  say(1.25, tone(2000));
  EXPECT_NEAR(frequency(hear(1, 0.25)), 440, 4.4);
  EXPECT_NEAR(frequency(hear(1.25, 1)), 2000, 20) << "the change to 1000 Hz was taken back";
}

std::vector<float> file_samples(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<float> all(fs::file_size(path) / sizeof(float));
  in.read(reinterpret_cast<char*>(all.data()), static_cast<std::streamsize>(all.size() * sizeof(float)));
  return all;
}

TEST(Speaker, IsHeard) {
  const fs::path path = fs::temp_directory_path() / ("tandem-speaker-" + std::to_string(getpid()));
  setenv("SDL_AUDIODRIVER", "disk", 1);
  setenv("SDL_DISKAUDIOFILE", path.c_str(), 1);
  {
    frontend::Speaker speaker;
    const SpeakerChange change{GuestNs{0}, tone(440)};
    speaker.sound(GuestNs{0}, {&change, 1});
    for (int tries = 0; tries < 500 && (!fs::exists(path) || fs::file_size(path) < 12000 * sizeof(float));
         ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  // A host that is busy may have it catch up: over all of it, less than a tenth is lost.
  EXPECT_NEAR(frequency(file_samples(path)), 440, 44);
  fs::remove(path);
}

TEST(Speaker, IsSilentWhereThereIsNoSoundCard) {
  setenv("SDL_AUDIODRIVER", "no such driver", 1);
  frontend::Speaker speaker;
  const SpeakerChange change{GuestNs{0}, tone(440)};
  speaker.sound(GuestNs{0}, {&change, 1});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(SDL_WasInit(SDL_INIT_AUDIO)) << "a sound card was opened";
}

}  // namespace
}  // namespace tandem::tests
