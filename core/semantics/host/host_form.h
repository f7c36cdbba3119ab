// Rewrites a guest instruction so that it can run inside a thunk, in 64-bit mode.
#pragma once

#include <Zydis/Zydis.h>

#include <span>
#include <vector>

#include "core/base/types.h"

namespace tandem::semantics {

// The same operation with its memory operand at [RDI] and its explicit general register, if any, in RAX.
// Prefixes that only said where memory is are gone.
std::vector<u8> host_form(std::span<const u8> bytes, const ZydisDecodedInstruction& insn,
                          const ZydisDecodedOperand* operands, bool long_mode);

// The operand that a field of the encoding names, or null.
const ZydisDecodedOperand* operand_encoded_by(const ZydisDecodedInstruction& insn,
                                              const ZydisDecodedOperand* operands,
                                              ZydisOperandEncoding encoding);

bool is_general_register(const ZydisDecodedOperand& operand);

}  // namespace tandem::semantics
