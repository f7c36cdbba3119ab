// Product of two matrices of 64 by 64 doubles, in the order that compilers vectorise.
#include <array>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

constexpr std::size_t kSide = 64;
// Rows that begin anywhere take twice the time in one process of four, by where its memory happens to lie.
constexpr std::size_t kLine = 64;
using Matrix = std::array<std::array<double, kSide>, kSide>;

class Matmul {
 public:
  Matmul() {
    Random random;
    for (auto* m : {&a_, &b_})
      for (auto& row : *m)
        for (double& value : row) value = static_cast<double>(random.below(1000)) / 16;
  }
  void once() {
    for (std::size_t i = 0; i < kSide; ++i) {
      alignas(kLine) std::array<double, kSide> row{};
      for (std::size_t k = 0; k < kSide; ++k)
        for (std::size_t j = 0; j < kSide; ++j) row[j] += a_[i][k] * b_[k][j];
      c_[i] = row;
    }
  }
  u64 checksum() const {
    u64 sum = 0;
    for (const auto& row : c_) sum = sum * 31 + hash(std::span<const double>(row));
    return sum;
  }

 private:
  alignas(kLine) Matrix a_, b_, c_{};
};

}  // namespace

Workload matmul() { return make_workload<Matmul>("matmul", "simd"); }

}  // namespace tandem::bench
