#include "frontend-sdl/speaker.h"

#include <chrono>
#include <cmath>
#include <span>

namespace tandem::frontend {

namespace {

constexpr int kRate = 48000;
constexpr Uint16 kBuffer = 512;  // samples: 11 ms
constexpr double kLoudness = 0.12;
constexpr double kEdge = 0.25;  // how fast a cone follows: what the ear takes for a click is longer
constexpr auto kPatience = std::chrono::seconds(5);

}  // namespace

Speaker::Speaker() : thread_([this] { run(); }) {}

Speaker::~Speaker() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Speaker::tone(u32 hertz) {
  if (hertz_.exchange(hertz) == hertz || hertz == 0) return;
  {
    const std::lock_guard lock(mutex_);
    wanted_ = true;
  }
  changed_.notify_all();
}

void Speaker::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const auto something = [&] { return ending_ || wanted_; };
    const bool in_time =
        device_ ? changed_.wait_for(lock, kPatience, something) : (changed_.wait(lock, something), true);
    wanted_ = false;
    lock.unlock();
    if (in_time && !device_) (void)open();
    else if (!in_time && hertz_ == 0) close();
    lock.lock();
  }
  close();
}

bool Speaker::open() {
  if (SDL_InitSubSystem(SDL_INIT_AUDIO) != 0) return false;
  SDL_AudioSpec wanted{}, had{};
  wanted.freq = kRate;
  wanted.format = AUDIO_F32SYS;
  wanted.channels = 1;
  wanted.samples = kBuffer;
  wanted.userdata = this;
  wanted.callback = [](void* self, Uint8* bytes, int size) {
    // SAFETY: the format that was asked for, and that SDL converts to, is float.
    static_cast<Speaker*>(self)->fill(reinterpret_cast<float*>(bytes),
                                      size / static_cast<int>(sizeof(float)));
  };
  device_ = SDL_OpenAudioDevice(nullptr, 0, &wanted, &had, SDL_AUDIO_ALLOW_FREQUENCY_CHANGE);
  if (!device_) {
    SDL_QuitSubSystem(SDL_INIT_AUDIO);
    return false;
  }
  rate_ = had.freq;
  phase_ = level_ = 0;
  SDL_PauseAudioDevice(device_, 0);
  return true;
}

void Speaker::close() {
  if (!device_) return;
  SDL_CloseAudioDevice(device_);
  SDL_QuitSubSystem(SDL_INIT_AUDIO);
  device_ = 0;
}

// A square wave whose edges take some samples.
void Speaker::fill(float* samples, int count) {
  const double step = hertz_.load() / rate_;
  for (float& sample : std::span(samples, static_cast<std::size_t>(count))) {
    double wanted = 0;
    if (step > 0 && step < 0.5) {
      wanted = phase_ < 0.5 ? kLoudness : -kLoudness;
      phase_ = std::fmod(phase_ + step, 1.0);
    }
    level_ += (wanted - level_) * kEdge;
    sample = static_cast<float>(level_);
  }
}

}  // namespace tandem::frontend
