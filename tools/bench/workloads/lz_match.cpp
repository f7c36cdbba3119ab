// The search of an LZ compressor over 8 KiB: a hash of three bytes finds a candidate, bytes are compared one
// by one.
#include <array>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

constexpr std::size_t kSize = 8192;
constexpr std::size_t kMaxMatch = 255;

class LzMatch {
 public:
  // Words of a small vocabulary, so that matches are frequent and of all lengths.
  LzMatch() {
    Random random;
    std::array<std::array<u8, 8>, 64> vocabulary;
    for (auto& word : vocabulary)
      for (u8& letter : word) letter = static_cast<u8>('a' + random.below(26));
    for (std::size_t at = 0; at < kSize;) {
      const auto& word = vocabulary[random.below(64)];
      for (std::size_t n = 2 + random.below(7); n > 0 && at < kSize; --n) text_[at++] = word[n - 1];
    }
  }
  void once() {
    heads_.fill(0);
    tokens_ = copied_ = 0;
    for (std::size_t at = 1; at + 3 <= kSize; ++tokens_) {
      const std::size_t length = match_at(at);
      if (length >= 3) copied_ += length;
      at += length >= 3 ? length : 1;
    }
  }
  u64 checksum() const { return tokens_ << 32 | copied_; }

 private:
  std::size_t match_at(std::size_t at) {
    u32& head = heads_[(text_[at] * 506832829u ^ text_[at + 1] * 2654435761u ^ text_[at + 2] * 97u) % 4096];
    const std::size_t candidate = head;
    head = static_cast<u32>(at);
    std::size_t length = 0;
    while (length < kMaxMatch && at + length < kSize && text_[candidate + length] == text_[at + length])
      ++length;
    return length;
  }

  std::array<u8, kSize> text_;
  std::array<u32, 4096> heads_{};
  u64 tokens_ = 0;
  u64 copied_ = 0;
};

}  // namespace

Workload lz_match() { return make_workload<LzMatch>("lz-match", "memory"); }

}  // namespace tandem::bench
