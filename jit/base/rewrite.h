// A guest instruction with another memory operand.
#pragma once

#include <Zydis/Zydis.h>

#include "jit/base/assembler.h"

namespace tandem::jit {

// Writes the instruction at bytes with m as its memory operand (no GS). It must have a ModRM byte that names
// memory, or be a MOV with an address (opcodes A0 to A3).
void rewrite(Assembler& a, std::span<const u8> bytes, const ZydisDecodedInstruction& insn, const Mem& m);

}  // namespace tandem::jit
