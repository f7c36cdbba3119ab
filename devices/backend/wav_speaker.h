// The PC speaker's sound in a WAV file: 16 bits, one channel, 48 kHz of guest time, up to when it was last
// told of: a change, or the end of the run. A thread writes it.
#pragma once

#include <condition_variable>
#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/base/result.h"
#include "devices/platform/speaker_sink.h"

namespace tandem::devices {

class WavSpeaker final : public SpeakerSink {
 public:
  static Result<std::unique_ptr<WavSpeaker>> create(const std::string& path);
  ~WavSpeaker();
  WavSpeaker(const WavSpeaker&) = delete;
  WavSpeaker& operator=(const WavSpeaker&) = delete;

  void sound(GuestNs now, std::span<const SpeakerChange> changes) override;

 private:
  struct Said {
    GuestNs now;
    std::vector<SpeakerChange> changes;
  };
  explicit WavSpeaker(std::FILE* file);
  void run();
  void write_until(GuestNs end);
  void write_sound(const SpeakerChange& change, u64 until);
  void write_header();

  // The thread's, and after its end the destructor's.
  std::FILE* file_;
  std::vector<SpeakerChange> plan_;
  u64 written_ = 0;  // samples

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<Said> said_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace tandem::devices
