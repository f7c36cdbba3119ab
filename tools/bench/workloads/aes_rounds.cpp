// AES-NI: ten rounds on each of 64 blocks, four of them at a time.
#include <wmmintrin.h>

#include <array>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

bool has_aes() { return __builtin_cpu_supports("aes"); }

class AesRounds {
 public:
  AesRounds() {
    Random random;
    for (auto& key : keys_) key = _mm_set_epi64x(static_cast<long long>(random.next()), 7);
    for (auto& block : blocks_) block = _mm_set_epi64x(11, static_cast<long long>(random.next()));
  }
  [[gnu::target("aes")]] void once() {
    for (std::size_t at = 0; at < blocks_.size(); at += 4) {
      std::array<__m128i, 4> b;
      for (std::size_t i = 0; i < 4; ++i) b[i] = _mm_xor_si128(blocks_[at + i], keys_[0]);
      for (std::size_t round = 1; round < 10; ++round)
        for (__m128i& block : b) block = _mm_aesenc_si128(block, keys_[round]);
      for (std::size_t i = 0; i < 4; ++i) result_[at + i] = _mm_aesenclast_si128(b[i], keys_[10]);
    }
  }
  u64 checksum() const {
    return hash(std::span(reinterpret_cast<const u64*>(result_.data()), result_.size() * 2));
  }

 private:
  std::array<__m128i, 11> keys_;
  std::array<__m128i, 64> blocks_, result_{};
};

}  // namespace

Workload aes_rounds() { return make_workload<AesRounds>("aes-rounds", "simd", has_aes); }

}  // namespace tandem::bench
