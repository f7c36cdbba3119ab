// MOVS, STOS, LODS, SCAS, CMPS with their repeat prefixes, and INS, OUTS.
#pragma once

#include "core/semantics/arithmetic.h"

namespace tandem::semantics {

// What one string instruction does: element() for one step, and how far a whole run inside host pages may go.
struct Movs;
struct Stos;
struct Lods;
struct Scas;
struct Cmps;

// Runs all repetitions; gives way with Step::Again between them when cpu.requests is set.
template <class Kind>
Step string_op(Cpu& cpu, const Insn& insn);

extern template Step string_op<Movs>(Cpu&, const Insn&);
extern template Step string_op<Stos>(Cpu&, const Insn&);
extern template Step string_op<Lods>(Cpu&, const Insn&);
extern template Step string_op<Scas>(Cpu&, const Insn&);
extern template Step string_op<Cmps>(Cpu&, const Insn&);

Step ins(Cpu& cpu, const Insn& insn);
Step outs(Cpu& cpu, const Insn& insn);

}  // namespace tandem::semantics
