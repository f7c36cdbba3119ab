// Who wants to see what the translator made.
#pragma once

#include <span>

#include "jit/llvm/compiler.h"
#include "jit/runtime/translation.h"

namespace tandem::jit {

// Called by the thread of each vCPU that translates, and by that which compiles regions: takes its own lock.
class CodeObserver : public RegionObserver {
 public:
  // guest: the block's bytes. t is complete, its code in place.
  virtual void translated(const Translation& t, std::span<const u8> guest) = 0;
};

}  // namespace tandem::jit
