// Plans into host code, by LLVM.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "jit/llvm/layout.h"
#include "jit/llvm/plan.h"
#include "jit/llvm/region_store.h"

namespace tandem::jit {

// An instruction that the host may refuse, and where its code goes on then.
struct Refusal {
  u64 pc = 0, to = 0;
};

struct CompiledRegion {
  // Returns the number of its exit. On the vCPU's thread, with the guest's MXCSR if it uses vectors.
  using Function = u32 (*)(interp::Context* context);
  Function run = nullptr;
  const u8* code = nullptr;
  u64 code_bytes = 0;
  std::vector<RegionExit> exits;
  std::vector<Refusal> refusals;  // ordered by pc
  RegionVectors vectors;
  bool was_stored = false;  // it came from the store
  RegionKey key;
  RegionVerdict verdict = RegionVerdict::Untried;  // of an earlier run
  std::shared_ptr<void> memory;                    // of the code
};

// What is to be seen of a region on its way.
class RegionObserver {
 public:
  virtual ~RegionObserver() = default;
  virtual bool wants_ir() const = 0;
  // gdb is to know each.
  virtual bool wants_gdb() const = 0;
  virtual void lifted(const std::string& ir) = 0;
  virtual void optimised(const std::string& ir) = 0;
  virtual void compiled(const RegionPlan& plan, const CompiledRegion& region) = 0;
};

// Time and runs by step: "lift", names of passes, "code", "link", "load".
struct StepFigure {
  u64 ns = 0, runs = 0;
};
using StepFigures = std::map<std::string, StepFigure>;

// Of a region's function: guest address, bytes of guest code.
std::string region_name(const RegionPlan& plan);

class RegionCompiler {
 public:
  // store: of objects from earlier runs; may be null.
  static Result<std::unique_ptr<RegionCompiler>> create(std::shared_ptr<RegionStore> store);
  virtual ~RegionCompiler() = default;
  // Of any thread, one at a time.
  virtual Result<CompiledRegion> compile(const RegionPlan& plan, const Layout& layout,
                                         RegionObserver* observer) = 0;
  virtual const StepFigures& figures() const = 0;
};

}  // namespace tandem::jit
