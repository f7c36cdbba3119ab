#include "devices/backend/wav_speaker.h"

#include <fmt/format.h>
#include <unistd.h>

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
// Where the host's disk is this far behind, changes are left out.
constexpr std::size_t kMaxSaid = 1 << 16;

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

WavSpeaker::WavSpeaker(std::FILE* file) : file_(file) {
  write_header();
  thread_ = std::thread([this] { run(); });
}

WavSpeaker::~WavSpeaker() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
  write_header();
  std::fflush(file_);
  std::ignore = ftruncate(fileno(file_), static_cast<off_t>(kHeaderBytes + written_ * kSampleBytes));
  std::fclose(file_);
}

void WavSpeaker::run() {
  std::unique_lock lock(mutex_);
  while (!stop_ || !said_.empty()) {
    wake_.wait(lock, [this] { return stop_ || !said_.empty(); });
    for (std::deque<Said> said; !said_.empty();) {
      said.swap(said_);
      lock.unlock();
      for (Said& s : said) {
        if (!plan_.empty()) write_until(s.now);
        plan_ = std::move(s.changes);
      }
      said.clear();
      lock.lock();
    }
  }
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

void WavSpeaker::write_until(GuestNs end) {
  const u64 last = samples_at(end);
  for (std::size_t at = 0; written_ < last; ++at) {
    const bool more = at + 1 < plan_.size();
    const u64 until = more ? std::min(last, samples_at(plan_[at + 1].at)) : last;
    if (until > written_) write_sound(plan_[at], until);
  }
}

// Silence is left out: the file has a hole there.
void WavSpeaker::write_sound(const SpeakerChange& change, u64 until) {
  const bool silent = change.sound.period == 0 && !change.sound.level;
  std::array<i16, 4096> samples;
  if (!silent) std::fseek(file_, static_cast<long>(kHeaderBytes + written_ * kSampleBytes), SEEK_SET);
  while (!silent && written_ < until) {
    const std::size_t n = std::min<u64>(samples.size(), until - written_);
    for (std::size_t i = 0; i < n; ++i) samples[i] = is_high(change, written_ + i) ? kLoud : 0;
    std::fwrite(samples.data(), kSampleBytes, n, file_);
    written_ += n;
  }
  written_ = until;
}

void WavSpeaker::sound(GuestNs now, std::span<const SpeakerChange> changes) {
  {
    std::lock_guard lock(mutex_);
    if (said_.size() >= kMaxSaid) return;
    said_.push_back({now, {changes.begin(), changes.end()}});
  }
  wake_.notify_one();
}

}  // namespace tandem::devices
