// SpeakerWave: the speaker's line as samples. Each is the line's average over its time, so that what changes
// between two samples is heard too: programs speak by pulses of some microseconds.
#pragma once

#include <deque>
#include <span>

#include "devices/platform/speaker_sink.h"

namespace tandem::frontend {

class SpeakerWave {
 public:
  // Times are seconds on one clock. What was said of later times before is forgotten.
  void add(double now, std::span<const devices::SpeakerChange> changes);
  // The samples from `start` on, so many a second.
  void render(double start, double rate, std::span<float> samples);
  // Nothing is heard from then on, as far as it is known.
  bool is_quiet() const { return changes_.empty() && sound_.period == 0; }

 private:
  struct Change {
    double at;
    devices::SpeakerSound sound;
  };
  double high_part(double from, double to);  // seconds in which the line is high
  double high_so_far(double at) const;       // of the present sound, since it began

  static constexpr std::size_t kMostChanges = 1 << 16;
  std::deque<Change> changes_;  // in the order of their times
  devices::SpeakerSound sound_;
  double since_ = 0;                     // when it began
  double last_line_ = 0, filtered_ = 0;  // without the constant part, which nobody hears
};

}  // namespace tandem::frontend
