// The speaker's tone as SDL's "disk" driver writes it to a file.
#include "frontend-sdl/speaker.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

namespace tandem::tests {
namespace {

namespace fs = std::filesystem;

constexpr double kRate = 48000;

std::vector<float> samples(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<float> all(fs::file_size(path) / sizeof(float));
  in.read(reinterpret_cast<char*>(all.data()), static_cast<std::streamsize>(all.size() * sizeof(float)));
  return all;
}

// Of the part where there is sound.
double frequency(const std::vector<float>& all) {
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

TEST(Speaker, GivesTones) {
  const fs::path path = fs::temp_directory_path() / ("tandem-speaker-" + std::to_string(getpid()));
  setenv("SDL_AUDIODRIVER", "disk", 1);
  setenv("SDL_DISKAUDIOFILE", path.c_str(), 1);
  for (const u32 hertz : {440u, 1000u}) {
    frontend::Speaker speaker;
    speaker.tone(hertz);
    for (int tries = 0; tries < 500 && (!fs::exists(path) || fs::file_size(path) < 12000 * sizeof(float));
         ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    speaker.tone(0);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const std::vector<float> heard = samples(path);
    EXPECT_NEAR(frequency(heard), hertz, hertz * 0.01);
    ASSERT_FALSE(heard.empty());
    EXPECT_NEAR(heard.back(), 0, 0.001) << "silence after it";
    fs::remove(path);
  }
}

TEST(Speaker, IsSilentWhereThereIsNoSoundCard) {
  setenv("SDL_AUDIODRIVER", "no such driver", 1);
  frontend::Speaker speaker;
  speaker.tone(440);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  speaker.tone(0);
}

}  // namespace
}  // namespace tandem::tests
