// AVX2: sum of 4096 integers of 32 bits.
#include <immintrin.h>

#include <array>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

bool has_avx2() { return __builtin_cpu_supports("avx2"); }

class Avx2Sum {
 public:
  Avx2Sum() {
    Random random;
    for (u32& value : values_) value = static_cast<u32>(random.next());
  }
  [[gnu::target("avx2")]] void once() {
    __m256i sum = _mm256_setzero_si256();
    for (std::size_t i = 0; i < values_.size(); i += 8)
      sum = _mm256_add_epi32(sum, _mm256_load_si256(reinterpret_cast<const __m256i*>(&values_[i])));
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums_.data()), sum);
  }
  u64 checksum() const { return hash(std::span<const u32>(sums_)); }

 private:
  alignas(32) std::array<u32, 4096> values_;
  alignas(32) std::array<u32, 8> sums_{};
};

}  // namespace

Workload avx2_sum() { return make_workload<Avx2Sum>("avx2-sum", "simd", has_avx2); }

}  // namespace tandem::bench
