// --dump: what blocks were before and after translation, as text; and their places in memory for `perf`.
#pragma once

#include <memory>
#include <string_view>

#include "core/base/result.h"
#include "jit/runtime/code_observer.h"

namespace tandem::jit {

// stages: STAGE[,STAGE...][:FILE], where a stage is
//   guest  the block's instructions
//   host   the code made of each
//   llvm-lift, llvm-opt  the IR of a region, before and after LLVM's passes
//   llvm-code            its guest instructions, and the code made of all of them
//   perf   a line for each block and region in /tmp/perf-PID.map, where perf looks for symbols of code
//   without a file
//   gdb    each region is made known to a gdb of Tandem itself, and none is taken from a store
// Without FILE, text goes to standard error. Errors name the stage, or the file that can't be
// written.
Result<std::shared_ptr<CodeObserver>> make_code_dump(std::string_view stages);

}  // namespace tandem::jit
