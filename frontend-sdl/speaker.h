// Speaker: the PC speaker on the host's sound card.
#pragma once

#include <SDL.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "frontend-sdl/speaker_wave.h"

namespace tandem::frontend {

// Has a thread of its own, which opens the sound card for the first tone, and closes it after a while of
// silence. Where there is none, nothing is heard.
class Speaker final : public devices::SpeakerSink {
 public:
  Speaker();
  ~Speaker();
  void sound(GuestNs now, std::span<const devices::SpeakerChange> changes) override;

 private:
  void run();
  void open();
  void close();
  void fill(std::span<float> samples);

  std::mutex mutex_;
  std::condition_variable changed_;
  SpeakerWave wave_;     // with mutex_, as what follows
  double played_ = 0;    // up to this time
  double rate_ = 0;      // samples a second
  bool wanted_ = false;  // something is to be heard
  bool ending_ = false;
  SDL_AudioDeviceID device_ = 0;  // of the thread
  std::thread thread_;
};

}  // namespace tandem::frontend
