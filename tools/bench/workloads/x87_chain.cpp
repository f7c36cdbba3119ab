// 128 dependent steps of a multiplication, an addition and a division in long double.
#include <cstring>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

class X87Chain {
 public:
  void once() {
    long double x = start_;
    for (int i = 0; i < 128; ++i) x = (x * 1.25L + 3.0L) / 1.7L;
    result_ = x;
  }
  u64 checksum() const {  // the 10 bytes of the format, without padding
    u64 significand;
    std::memcpy(&significand, &result_, sizeof significand);
    std::uint16_t exponent;
    std::memcpy(&exponent, reinterpret_cast<const u8*>(&result_) + sizeof significand, sizeof exponent);
    return significand ^ u64 { exponent } << 48;
  }

 private:
  long double start_ = 1.0L / 3.0L;
  long double result_ = 0;
};

}  // namespace

Workload x87_chain() { return make_workload<X87Chain>("x87-chain", "x87"); }

}  // namespace tandem::bench
