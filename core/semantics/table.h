// isa.def's functions as a table: what each instruction does, by its name and operand size.
#pragma once

#include "core/isa/op.h"
#include "core/semantics/operands.h"

namespace tandem::semantics {

using Function = Step (*)(Cpu&, const Insn&);

// The function that executes insn, whatever its operands.
Function function_of(const Insn& insn);

// Executes one decoded instruction; cpu.state.rip must be the start of its block (insn.offset away).
inline Step execute(Cpu& cpu, const Insn& insn) { return function_of(insn)(cpu, insn); }

}  // namespace tandem::semantics
