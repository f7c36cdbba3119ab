// A C compiler (tcc): 100 functions, 3,000 lines, into code in memory. Big code with little of it hot, small
// objects in scattered places.
#include <libtcc.h>

#include "tools/bench/workloads/c_source.h"
#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

class Compile {
 public:
  ~Compile() { release(); }

  void once() {
    release();
    state_ = tcc_new();
    require(state_, "tcc_new");
    tcc_set_options(state_, "-nostdlib");
    tcc_set_output_type(state_, TCC_OUTPUT_MEMORY);
    require(tcc_compile_string(state_, source_.c_str()) == 0, "tcc_compile_string");
    require(tcc_relocate(state_, TCC_RELOCATE_AUTO) == 0, "tcc_relocate");
  }

  // What the program computes.
  u64 checksum() const {
    auto* run = reinterpret_cast<unsigned (*)(unsigned)>(tcc_get_symbol(state_, "run"));
    require(run, "tcc_get_symbol");
    u64 sum = 0;
    for (unsigned x = 0; x < 1000; ++x) sum = sum * 31 + run(x);
    return sum;
  }

 private:
  void release() {
    if (state_) tcc_delete(state_);
    state_ = nullptr;
  }

  std::string source_ = c_source(1, 100);
  TCCState* state_ = nullptr;
};

}  // namespace

Workload compile() { return make_workload<Compile>("compile", "application"); }

}  // namespace tandem::bench
