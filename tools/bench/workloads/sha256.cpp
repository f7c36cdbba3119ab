// SHA-256 of 1 KiB in scalar code (FIPS 180-4, the padding left out): rotations, additions, much register
// pressure.
#include <array>
#include <bit>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

using Words = std::array<u32, 8>;

// The constants of FIPS 180-4 are roots of primes; any others cost the same.
constexpr std::array<u32, 64> make_constants() {
  std::array<u32, 64> k{};
  u32 x = 0x428a2f98;
  for (u32& value : k) value = x = x * 1664525 + 1013904223;
  return k;
}

u32 small_sigma(u32 x, int a, int b, int shift) { return std::rotr(x, a) ^ std::rotr(x, b) ^ x >> shift; }
u32 big_sigma(u32 x, int a, int b, int c) { return std::rotr(x, a) ^ std::rotr(x, b) ^ std::rotr(x, c); }

class Sha256 {
 public:
  Sha256() {
    Random random;
    for (u32& word : message_) word = static_cast<u32>(random.next());
  }
  void once() {
    state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    for (std::size_t at = 0; at < message_.size(); at += 16) compress(&message_[at]);
  }
  u64 checksum() const { return hash(std::span<const u32>(state_)); }

 private:
  void compress(const u32* block) {
    std::array<u32, 64> w;
    for (std::size_t i = 0; i < 16; ++i) w[i] = __builtin_bswap32(block[i]);
    for (std::size_t i = 16; i < 64; ++i)
      w[i] = w[i - 16] + small_sigma(w[i - 15], 7, 18, 3) + w[i - 7] + small_sigma(w[i - 2], 17, 19, 10);
    Words s = state_;
    for (std::size_t i = 0; i < 64; ++i) round(s, kConstants[i] + w[i]);
    for (std::size_t i = 0; i < s.size(); ++i) state_[i] += s[i];
  }
  static void round(Words& s, u32 input) {
    const u32 choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    const u32 majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    const u32 t1 = s[7] + big_sigma(s[4], 6, 11, 25) + choice + input;
    const u32 t2 = big_sigma(s[0], 2, 13, 22) + majority;
    s = {t1 + t2, s[0], s[1], s[2], s[3] + t1, s[4], s[5], s[6]};
  }

  static constexpr std::array<u32, 64> kConstants = make_constants();
  std::array<u32, 256> message_;
  Words state_{};
};

}  // namespace

Workload sha256() { return make_workload<Sha256>("sha256", "integer"); }

}  // namespace tandem::bench
