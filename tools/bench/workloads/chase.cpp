// Pointer chase: one lap over all lines of 64 bytes of a block, in an order without pattern.
#include <algorithm>
#include <numeric>
#include <vector>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

struct alignas(64) Line {
  Line* next;
};

template <std::size_t kBytes>
class Chase {
 public:
  Chase() : lines_(kBytes / sizeof(Line)) {
    std::vector<u32> order(lines_.size());
    std::iota(order.begin(), order.end(), 0);
    Random random;
    for (std::size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
    for (std::size_t i = 0; i < order.size(); ++i)
      lines_[order[i]].next = &lines_[order[(i + 1) % order.size()]];
    at_ = lines_.data();
  }
  void once() {
    Line* at = at_;
    for (std::size_t i = 0; i < lines_.size(); ++i) at = at->next;
    at_ = at;
  }
  u64 checksum() const {
    u64 sum = static_cast<u64>(at_ - lines_.data());
    for (const Line& line : lines_) sum = sum * 31 + static_cast<u64>(line.next - lines_.data());
    return sum;
  }

 private:
  std::vector<Line> lines_;
  Line* at_;
};

}  // namespace

Workload chase_16k() { return make_workload<Chase<16 << 10>>("chase-16k", "memory"); }
Workload chase_1m() { return make_workload<Chase<1 << 20>>("chase-1m", "memory"); }
Workload chase_16m() { return make_workload<Chase<16 << 20>>("chase-16m", "memory"); }

}  // namespace tandem::bench
