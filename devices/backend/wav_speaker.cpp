#include "devices/backend/wav_speaker.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "core/base/bits.h"
#include "core/time/clock.h"

namespace tandem::devices {

namespace {

constexpr u64 kRate = 48000;
constexpr i16 kLoud = 8000;
constexpr std::size_t kHeaderBytes = 44, kSampleBytes = 2;

u64 samples_at(GuestNs t) {
  return static_cast<u64>(static_cast<u128>(raw(t) < 0 ? 0 : raw(t)) * kRate / time::kSecond);
}

bool is_high(const SpeakerChange& change, u64 sample) {
  const SpeakerSound& s = change.sound;
  if (s.period == 0) return s.level;
  const i128 at = static_cast<i128>(sample) * time::kSecond / kRate;
  const u64 ticks = static_cast<u64>(std::max<i128>(at - raw(change.at), 0) * kSpeakerHz / time::kSecond);
  return (s.phase + ticks) % s.period < s.high;
}

}  // namespace

Result<std::unique_ptr<WavSpeaker>> WavSpeaker::create(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (!file) return user_error(fmt::format("speaker: {}: {}", path, std::strerror(errno)));
  return std::unique_ptr<WavSpeaker>(new WavSpeaker(file));
}

WavSpeaker::WavSpeaker(std::FILE* file) : file_(file) { write_header(); }

WavSpeaker::~WavSpeaker() {
  write_header();
  std::fclose(file_);
}

void WavSpeaker::write_header() {
  std::array<u8, kHeaderBytes> h{};
  const u32 bytes = static_cast<u32>(std::min<u64>(written_ * kSampleBytes, 0xffffff00));
  const auto text = [&](std::size_t at, const char* four) { std::memcpy(&h[at], four, 4); };
  text(0, "RIFF");
  store_le<u32>(&h[4], bytes + kHeaderBytes - 8);
  text(8, "WAVE");
  text(12, "fmt ");
  store_le<u32>(&h[16], 16);
  store_le<u16>(&h[20], 1);  // PCM
  store_le<u16>(&h[22], 1);
  store_le<u32>(&h[24], kRate);
  store_le<u32>(&h[28], kRate * kSampleBytes);
  store_le<u16>(&h[32], kSampleBytes);
  store_le<u16>(&h[34], 8 * kSampleBytes);
  text(36, "data");
  store_le<u32>(&h[40], bytes);
  std::fseek(file_, 0, SEEK_SET);
  std::fwrite(h.data(), 1, h.size(), file_);
}

// Silence is left out: the file has a hole there.
void WavSpeaker::write_until(GuestNs end) {
  const u64 last = samples_at(end);
  std::vector<i16> samples;
  std::size_t at = 0;
  for (; written_ < last; ++written_) {
    while (at + 1 < plan_.size() && samples_at(plan_[at + 1].at) <= written_) ++at;
    const SpeakerChange& now = plan_[at];
    const bool silent = now.sound.period == 0 && !now.sound.level;
    if (silent && samples.empty()) {
      const u64 until = at + 1 < plan_.size() ? std::min(last, samples_at(plan_[at + 1].at)) : last;
      written_ = std::max(written_, until - 1);
      continue;
    }
    if (samples.empty())
      std::fseek(file_, static_cast<long>(kHeaderBytes + written_ * kSampleBytes), SEEK_SET);
    samples.push_back(is_high(now, written_) ? kLoud : 0);
  }
  std::fwrite(samples.data(), kSampleBytes, samples.size(), file_);
}

void WavSpeaker::sound(GuestNs now, std::span<const SpeakerChange> changes) {
  std::lock_guard lock(mutex_);
  if (!plan_.empty()) write_until(now);
  plan_.assign(changes.begin(), changes.end());
}

}  // namespace tandem::devices
