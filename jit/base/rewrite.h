// A guest instruction with another memory operand.
#pragma once

#include "jit/base/assembler.h"
#include "jit/base/encoded.h"

namespace tandem::jit {

// Writes the instruction at bytes with m as its memory operand (no GS). It must have a ModRM byte that names
// memory, or be a MOV with an address (opcodes A0 to A3).
void rewrite(Assembler& a, std::span<const u8> bytes, const Encoding& insn, const Mem& m);

}  // namespace tandem::jit
