// Registers that hold a number from about -2^32 to 2^32: multiplied by an operand's scale and added to an
// address of a hosted region, it leads no farther than the region's guards.
#pragma once

#include "core/isa/insn.h"
#include "jit/base/decoded.h"

namespace tandem::jit {

// written: an operand of the instruction, a general-purpose register that it writes. was_small: before.
bool stays_small(const isa::Insn& insn, const Decoded& d, const ZydisDecodedOperand& written, bool was_small);

// The same for all registers that are written, as far as it depends on the instruction's shape. Bit n:
// register n, which is small behind it, or is if it was, or is the first operand and depends on the
// immediate, too.
struct SmallWrites {
  u16 always = 0, still = 0, first = 0;

  bool is_small(unsigned reg, const isa::Insn& insn, bool was_small) const;
  bool operator==(const SmallWrites&) const = default;
};
SmallWrites small_writes(const isa::Insn& insn, const Decoded& d);

}  // namespace tandem::jit
