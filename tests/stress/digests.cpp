// SHA-256 in plain code, by the processor's own instructions, and CRC32, PCLMULQDQ, AES in rounds.
#include <immintrin.h>

#include <array>
#include <bit>

#include "tests/stress/stress.h"

namespace tandem::stress {

namespace {

using State = std::array<u32, 8>;
using Block = std::array<u8, 64>;

constexpr State kStart{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

constexpr std::array<u32, 64> kRounds{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

void sha256_plain(State& state, const Block& block) {
  std::array<u32, 64> w;
  for (std::size_t i = 0; i < 16; ++i) {
    std::memcpy(&w[i], &block[i * 4], 4);
    w[i] = __builtin_bswap32(w[i]);
  }
  for (std::size_t i = 16; i < 64; ++i) {
    const u32 a = w[i - 15];
    const u32 b = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) +
           (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
  }
  State s = state;
  for (std::size_t i = 0; i < 64; ++i) {
    const u32 sum1 = std::rotr(s[4], 6) ^ std::rotr(s[4], 11) ^ std::rotr(s[4], 25);
    const u32 t1 = s[7] + sum1 + ((s[4] & s[5]) ^ (~s[4] & s[6])) + kRounds[i] + w[i];
    const u32 sum0 = std::rotr(s[0], 2) ^ std::rotr(s[0], 13) ^ std::rotr(s[0], 22);
    const u32 t2 = sum0 + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
    s = {t1 + t2, s[0], s[1], s[2], s[3] + t1, s[4], s[5], s[6]};
  }
  for (std::size_t i = 0; i < 8; ++i) state[i] += s[i];
}

__attribute__((target("sha,sse4.1"))) void sha256_by_instructions(State& state, const Block& block) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const auto at = [](const u32* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); };
  std::array<u32, 64> w;
  for (std::size_t i = 0; i < 64; i += 16)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(&w[i / 4]),
                     _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(&block[i])), swap));
  for (std::size_t i = 16; i < 64; i += 4) {
    const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(at(&w[i - 16]), at(&w[i - 12])), at(&w[i - 7]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(&w[i]), _mm_sha256msg2_epu32(sum, at(&w[i - 4])));
  }
  const auto word = [&](std::size_t i) { return static_cast<int>(state[i]); };
  __m128i abef = _mm_set_epi32(word(0), word(1), word(4), word(5));
  __m128i cdgh = _mm_set_epi32(word(2), word(3), word(6), word(7));
  for (std::size_t i = 0; i < 64; i += 4) {
    const __m128i wk = _mm_add_epi32(at(&w[i]), at(&kRounds[i]));
    cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
    abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0e));
  }
  std::array<u32, 4> x;
  std::array<u32, 4> y;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(x.data()), abef);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(y.data()), cdgh);
  const State sum{x[3], x[2], y[3], y[2], x[1], x[0], y[1], y[0]};
  for (std::size_t i = 0; i < 8; ++i) state[i] += sum[i];
}

template <typename Compress>
u64 sha256(const Work& work, Compress compress) {
  Random random(work.seed);
  State state = kStart;
  for (u64 i = 0; i < work.times(20000); ++i) {
    Block block;
    for (std::size_t j = 0; j < block.size(); j += 8) {
      const u64 r = random.next();
      std::memcpy(&block[j], &r, 8);
    }
    compress(state, block);
  }
  Hash hash;
  for (const u32 w : state) hash.add(w);
  return hash.value();
}

u64 plain(const Work& work) { return sha256(work, sha256_plain); }

bool has_sha() {
  u32 a = 7, b = 0, c = 0, d = 0;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return (b >> 29 & 1) != 0;
}

// Where the processor has none, the plain way: the checksum is the same.
u64 instructions(const Work& work) { return has_sha() ? sha256(work, sha256_by_instructions) : plain(work); }

__attribute__((target("sse4.2,pclmul,aes"))) u64 mixed(const Work& work) {
  Random random(work.seed);
  u64 crc = random.next();
  __m128i a = _mm_set_epi64x(static_cast<long long>(random.next()), static_cast<long long>(random.next()));
  for (u64 i = 0; i < work.times(100000); ++i) {
    crc = _mm_crc32_u64(crc, random.next()) ^ _mm_crc32_u8(static_cast<u32>(i), static_cast<u8>(crc));
    const __m128i key = _mm_set1_epi64x(static_cast<long long>(crc));
    a = _mm_aesenc_si128(_mm_xor_si128(a, _mm_clmulepi64_si128(a, key, 0x10)), key);
    a = _mm_aesdec_si128(a, _mm_aesimc_si128(key));
  }
  Hash hash;
  hash.add(crc);
  hash.add(static_cast<u64>(_mm_extract_epi64(a, 0)));
  hash.add(static_cast<u64>(_mm_extract_epi64(a, 1)));
  return hash.value();
}

constexpr Part kParts[] = {
    {"sha256", plain}, {"sha256-instructions", instructions}, {"crc-clmul-aes", mixed}};

}  // namespace

std::span<const Part> digest_parts() { return kParts; }

}  // namespace tandem::stress
