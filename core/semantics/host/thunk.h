// Generates the code around an instruction that the host executes.
#pragma once

#include <Zydis/Zydis.h>

#include <span>
#include <vector>

#include "core/base/types.h"

namespace tandem::semantics {

// Machine code of a Thunk (host_insn.h). insn: the instruction in its host_form().
std::vector<u8> make_thunk(std::span<const u8> code, const ZydisDecodedInstruction& insn,
                           const ZydisDecodedOperand* operands);
// The code that a signal handler continues with to leave any thunk.
std::vector<u8> make_fault_exit();

// x87 and MMX registers are loaded and stored as a whole, for these instructions.
bool uses_x87_state(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands);
bool uses_flags(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands);

// The widest vector registers of the host that guests can have.
bool host_has_avx();
bool host_has_avx512();

}  // namespace tandem::semantics
