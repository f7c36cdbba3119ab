#include "frontend-sdl/speaker.h"

#include <chrono>
#include <cmath>

namespace tandem::frontend {

namespace {

constexpr int kRate = 48000;
constexpr Uint16 kBuffer = 512;   // samples: 11 ms
constexpr double kBehind = 0.03;  // seconds that are played later, so that changes are known by then
constexpr double kFarOff = 0.05;
constexpr auto kPatience = std::chrono::seconds(5);

double host_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

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

void Speaker::sound(GuestNs, std::span<const devices::SpeakerChange> changes) {
  const std::lock_guard lock(mutex_);
  wave_.add(host_seconds(), changes);
  for (const devices::SpeakerChange& c : changes) wanted_ |= c.sound.period != 0 || c.sound.level;
  if (wanted_) changed_.notify_all();
}

void Speaker::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const auto something = [&] { return ending_ || wanted_; };
    if (!device_) changed_.wait(lock, something);
    const bool goes_on = changed_.wait_for(lock, kPatience, something) || !wave_.is_quiet();
    wanted_ = false;
    const bool opens = goes_on && !device_ && !ending_;
    if (!opens && goes_on) continue;
    lock.unlock();
    if (opens) open();
    else close();
    lock.lock();
    // A host without a sound card is not asked again at each tone.
    if (opens && !device_) changed_.wait_for(lock, kPatience, [&] { return ending_; });
  }
  lock.unlock();
  close();
}

void Speaker::open() {
  if (SDL_InitSubSystem(SDL_INIT_AUDIO) != 0) return;
  SDL_AudioSpec wanted{}, had{};
  wanted.freq = kRate;
  wanted.format = AUDIO_F32SYS;
  wanted.channels = 1;
  wanted.samples = kBuffer;
  wanted.userdata = this;
  wanted.callback = [](void* self, Uint8* bytes, int size) {
    // SAFETY: the format that was asked for, and that SDL converts to, is float.
    static_cast<Speaker*>(self)->fill(
        {reinterpret_cast<float*>(bytes), static_cast<std::size_t>(size) / sizeof(float)});
  };
  device_ = SDL_OpenAudioDevice(nullptr, 0, &wanted, &had, SDL_AUDIO_ALLOW_FREQUENCY_CHANGE);
  if (!device_) return SDL_QuitSubSystem(SDL_INIT_AUDIO);
  {
    const std::lock_guard lock(mutex_);
    rate_ = had.freq;
    played_ = 0;
  }
  SDL_PauseAudioDevice(device_, 0);
}

void Speaker::close() {
  if (!device_) return;
  SDL_CloseAudioDevice(device_);
  SDL_QuitSubSystem(SDL_INIT_AUDIO);
  device_ = 0;
}

// On the sound card's thread, whose clock is another one: now and then it has to catch up.
void Speaker::fill(std::span<float> samples) {
  const std::lock_guard lock(mutex_);
  const double due = host_seconds() - kBehind;
  if (std::abs(played_ - due) > kFarOff) played_ = due;
  wave_.render(played_, rate_, samples);
  played_ += static_cast<double>(samples.size()) / rate_;
}

}  // namespace tandem::frontend
