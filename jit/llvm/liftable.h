// Which instructions a region may contain.
#pragma once

#include "core/isa/insn.h"
#include "jit/base/decoded.h"

namespace tandem::jit {

// Of an instruction that tier 1 translates. region, second_region: of its accesses, see PlanBlock::regions.
// Looks at what the interpreter knows of vector instructions: on the vCPU's thread.
bool is_liftable(const isa::Insn& insn, const Decoded& d, u8 region, u8 second_region);

// A repeated MOVS, STOS, SCAS or CMPS by 64-bit addresses without a base. Tier 1 has the interpreter execute
// it, but a region may contain it.
bool is_flat_repetition(const isa::Insn& insn);

}  // namespace tandem::jit
