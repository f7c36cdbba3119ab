// SpeakerSink: what hears the PC speaker: a window's sound, a file.
#pragma once

#include <span>

#include "core/base/types.h"

namespace tandem::devices {

inline constexpr u64 kSpeakerHz = 1193182;  // of the 8254, whose counter 2 drives the cone

// The line to the cone: a rectangle wave, in ticks, or a level at which it rests.
struct SpeakerSound {
  u32 period = 0;  // 0: it rests
  u32 high = 0;    // the first part of each period, in which the line is high
  u32 phase = 0;   // how far the wave is in its period when this begins
  bool level = false;
  bool operator==(const SpeakerSound&) const = default;
};
struct SpeakerChange {
  GuestNs at;
  SpeakerSound sound;
};

class SpeakerSink {
 public:
  // From now (guest time) on, the line does this: the first change is now, others will come. It takes the
  // place of all that was said of the time behind `now` before. [any-thread] With the counter's lock held:
  // returns at once.
  virtual void sound(GuestNs now, std::span<const SpeakerChange> changes) = 0;

 protected:
  ~SpeakerSink() = default;
};

}  // namespace tandem::devices
