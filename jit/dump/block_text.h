// Blocks and regions before and after translation, as text.
#pragma once

#include <span>
#include <string>

#include "jit/llvm/plan.h"
#include "jit/runtime/translation.h"

namespace tandem::jit {

struct BlockParts {
  bool guest = false;  // its instructions
  bool host = false;   // the code made of each
};

// guest: the block's bytes.
std::string block_text(const Translation& t, std::span<const u8> guest, BlockParts parts);
// code: of the whole region.
std::string region_text(const RegionPlan& plan, std::span<const u8> code);

}  // namespace tandem::jit
