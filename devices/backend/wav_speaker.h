// The PC speaker's sound in a WAV file: 16 bits, one channel, 48 kHz of guest time.
#pragma once

#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
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
  explicit WavSpeaker(std::FILE* file);
  void write_until(GuestNs end);
  void write_header();

  std::mutex mutex_;  // guards all below
  std::FILE* file_;
  std::vector<SpeakerChange> plan_;
  u64 written_ = 0;  // samples
};

}  // namespace tandem::devices
