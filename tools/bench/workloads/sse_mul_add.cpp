// z = x * y + a over 4096 floats, four at a time.
#include <xmmintrin.h>

#include <array>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

using Floats = std::array<float, 4096>;

class SseMulAdd {
 public:
  SseMulAdd() {
    Random random;
    for (std::size_t i = 0; i < x_.size(); ++i)
      x_[i] = static_cast<float>(random.below(100)), y_[i] = static_cast<float>(random.below(100)) / 8;
  }
  void once() {
    const __m128 addend = _mm_set1_ps(addend_);
    for (std::size_t i = 0; i < x_.size(); i += 4)
      _mm_store_ps(&z_[i], _mm_add_ps(_mm_mul_ps(_mm_load_ps(&x_[i]), _mm_load_ps(&y_[i])), addend));
  }
  u64 checksum() const { return hash(std::span<const float>(z_)); }

 private:
  alignas(16) Floats x_, y_, z_{};
  float addend_ = 0.5f;
};

}  // namespace

Workload sse_mul_add() { return make_workload<SseMulAdd>("sse-mul-add", "simd"); }

}  // namespace tandem::bench
