#include "frontend-sdl/speaker_wave.h"

#include <algorithm>
#include <cmath>

namespace tandem::frontend {

namespace {
constexpr double kLoudness = 0.25;
constexpr double kDecay = 0.997;  // of a constant level, for each sample: some milliseconds
}  // namespace

void SpeakerWave::add(double now, std::span<const devices::SpeakerChange> changes) {
  while (!changes_.empty() && changes_.back().at >= now) changes_.pop_back();
  if (changes.empty() || changes_.size() > kMostChanges) return;
  const i64 first = raw(changes.front().at);
  for (const devices::SpeakerChange& c : changes)
    changes_.push_back({now + static_cast<double>(raw(c.at) - first) / 1e9, c.sound});
}

double SpeakerWave::high_so_far(double at) const {
  const double seconds = at - since_;
  if (sound_.period == 0) return sound_.level ? seconds : 0;
  const double ticks = seconds * static_cast<double>(devices::kSpeakerHz), period = sound_.period;
  const auto high = [&](double t) {
    const double whole = std::floor(t / period);
    return whole * sound_.high + std::min<double>(t - whole * period, sound_.high);
  };
  return (high(ticks + sound_.phase) - high(sound_.phase)) / static_cast<double>(devices::kSpeakerHz);
}

double SpeakerWave::high_part(double from, double to) {
  double sum = 0;
  while (!changes_.empty() && changes_.front().at < to) {
    const double at = std::max(changes_.front().at, from);
    sum += high_so_far(at) - high_so_far(from);
    sound_ = changes_.front().sound;
    since_ = from = at;
    changes_.pop_front();
  }
  return sum + high_so_far(to) - high_so_far(from);
}

void SpeakerWave::render(double start, double rate, std::span<float> samples) {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double from = start + static_cast<double>(i) / rate;
    const double line = high_part(from, from + 1 / rate) * rate;
    filtered_ = line - last_line_ + kDecay * filtered_;
    last_line_ = line;
    samples[i] = static_cast<float>(std::clamp(filtered_ * kLoudness, -1.0, 1.0));
  }
}

}  // namespace tandem::frontend
