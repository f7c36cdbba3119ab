// qsort of 4096 numbers: the comparison is a call through a pointer; too many results for a predictor to
// learn them.
#include <array>
#include <cstdlib>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

int compare(const void* a, const void* b) {
  const u32 x = *static_cast<const u32*>(a);
  const u32 y = *static_cast<const u32*>(b);
  return x < y ? -1 : x > y;
}

class Sort {
 public:
  Sort() {
    Random random;
    for (u32& value : input_) value = static_cast<u32>(random.next());
  }
  void once() {
    sorted_ = input_;
    std::qsort(sorted_.data(), sorted_.size(), sizeof(u32), compare);
  }
  u64 checksum() const { return hash(std::span<const u32>(sorted_)); }

 private:
  std::array<u32, 4096> input_, sorted_{};
};

}  // namespace

Workload sort_indirect() { return make_workload<Sort>("sort-indirect", "integer"); }

}  // namespace tandem::bench
