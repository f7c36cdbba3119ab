// What counter 2 and port 61h do to the speaker (8254 data sheet, "Mode definitions").
#include <algorithm>

#include "devices/platform/pit.h"
#include "devices/platform/pit_ticks.h"

namespace tandem::devices {

using namespace pit;

namespace {

SpeakerSound rest(bool level) { return {.level = level}; }

SpeakerSound wave(u8 mode, u32 count, u64 ticks) {
  const u32 high = mode == 3 ? static_cast<u32>(high_half(count)) : count - 1;
  return {count, high, static_cast<u32>(ticks % count), false};
}

}  // namespace

// As far as it is known: a wave whose count has been replaced changes at the end of its period, or half; a
// one-shot ends.
std::vector<SpeakerChange> Pit::speaker_changes() const {
  const GuestNs now = clock_.now();
  const Channel& c = state_.channels[2];
  const u64 ticks = elapsed(c);
  if (!state_.speaker) return {{now, rest(false)}};
  const bool periodic = c.mode == 2 || c.mode == 3;
  if (c.waiting || (periodic && !c.gate)) return {{now, rest(out(c))}};
  if (periodic) {
    std::vector<SpeakerChange> all = {{now, wave(c.mode, c.count, ticks)}};
    if (!c.next_count) return all;
    const bool low_half_next = c.reload_tick % c.count != 0;
    all.push_back({GuestNs{c.loaded + to_ns(c.reload_tick)},
                   wave(c.mode, c.next_count, low_half_next ? high_half(c.next_count) : 0)});
    return all;
  }
  if (c.mode >= 4) return {{now, rest(true)}};  // low for a tick alone
  std::vector<SpeakerChange> all = {{now, rest(out(c))}};
  if (!out(c) && c.frozen_ticks < 0) all.push_back({GuestNs{c.loaded + to_ns(c.count)}, rest(true)});
  return all;
}

// Those who listen hear of changes alone.
void Pit::tell_speaker() {
  if (speakers_.empty()) return;
  const std::vector<SpeakerChange> changes = speaker_changes();
  const auto same = [](const SpeakerChange& a, const SpeakerChange& b) {
    return a.sound.period == b.sound.period && a.sound.high == b.sound.high && a.sound.level == b.sound.level;
  };
  if (changes.size() == 1 && told_.size() == 1 && same(changes[0], told_[0])) return;
  told_ = changes;
  for (SpeakerSink* s : speakers_) s->sound(changes[0].at, changes);
}

Result<void> Pit::quiesce() {
  std::lock_guard lock(mutex_);
  settle();
  told_.clear();
  tell_speaker();
  return {};
}

void Pit::add_speaker(SpeakerSink& sink) {
  std::lock_guard lock(mutex_);
  settle();
  speakers_.push_back(&sink);
  told_ = speaker_changes();
  sink.sound(told_[0].at, told_);
}

void Pit::remove_speaker(SpeakerSink& sink) {
  std::lock_guard lock(mutex_);
  std::erase(speakers_, &sink);
}

}  // namespace tandem::devices
