// The C library's memcpy and memset of 32 KiB. It chooses by CPUID how it does them, so the processors
// compared may run different code: that is what programs there do, too.
#include <cstring>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/string_blocks.h"

namespace tandem::bench {

namespace {

using Blocks = StringBlocks<32768>;

class Memcpy : public Blocks {
 public:
  void once() { std::memcpy(target.data(), source.data(), target.size()); }
};

class Memset : public Blocks {
 public:
  void once() { std::memset(target.data(), 0x5a, target.size()); }
};

}  // namespace

Workload memcpy_32k() { return make_workload<Memcpy>("memcpy-32k", "string"); }
Workload memset_32k() { return make_workload<Memset>("memset-32k", "string"); }

}  // namespace tandem::bench
