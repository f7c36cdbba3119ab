// A guest instruction with another memory operand.
#pragma once

#include "jit/base/assembler.h"
#include "jit/base/encoded.h"

namespace tandem::jit {

// Writes the instruction at bytes with m as its memory operand (no GS). It must have a ModRM byte that names
// memory, or be a MOV with an address (opcodes A0 to A3).
void rewrite(Assembler& a, std::span<const u8> bytes, const Encoding& insn, const Mem& m,
             OperandPrefix operand = OperandPrefix::Kept);
inline void rewrite(Assembler& a, const Encoded& d, const Mem& m) {
  rewrite(a, d.bytes, d.insn, m, d.operand_prefix);
}

// Writes the instruction, which has no memory operand, as 64-bit code has it.
void copy_as_is(Assembler& a, const Encoded& d);

}  // namespace tandem::jit
