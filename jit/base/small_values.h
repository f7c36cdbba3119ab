// Registers that hold a number from about -2^32 to 2^32: multiplied by an operand's scale and added to an
// address of a hosted region, it leads no farther than the region's guards.
#pragma once

#include "core/isa/insn.h"
#include "jit/base/decoded.h"

namespace tandem::jit {

// written: an operand of the instruction, a general-purpose register that it writes. was_small: before.
bool stays_small(const isa::Insn& insn, const Decoded& d, const ZydisDecodedOperand& written, bool was_small);

}  // namespace tandem::jit
