// Speaker: the PC speaker's tone on the host's sound card.
#pragma once

#include <SDL.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "devices/platform/speaker_sink.h"

namespace tandem::frontend {

// Has a thread of its own, which opens the sound card for the first tone, and closes it after a while of
// silence. Where there is none, nothing is heard.
class Speaker final : public devices::SpeakerSink {
 public:
  Speaker();
  ~Speaker() override;
  void tone(u32 hertz) override;

 private:
  void run();
  bool open();
  void close();
  void fill(float* samples, int count);

  std::atomic<u32> hertz_ = 0;
  SDL_AudioDeviceID device_ = 0;  // of the thread
  double rate_ = 0;               // samples a second
  double phase_ = 0, level_ = 0;  // of the sound card's thread
  std::mutex mutex_;
  std::condition_variable changed_;
  bool wanted_ = false, ending_ = false;  // with mutex_
  std::thread thread_;
};

}  // namespace tandem::frontend
