// What both tiers ask of an instruction by its row of isa.def alone.
#pragma once

#include "core/isa/insn.h"
#include "core/isa/op.h"

namespace tandem::jit {

// isa.def has Jcc, SETcc and CMOVcc for each condition in turn.
enum class Conditional : u8 { Jump, Set, Move, None };
Conditional conditional(isa::Op op);
// Its condition, as opcodes have it (SDM vol. 2, B.1.4.7).
unsigned condition_code(isa::Op op);

// LOOPcc and JCXZ, which branch by the count in rCX.
bool branches_by_count(isa::Op op);

// MOVS, STOS, LODS, SCAS, CMPS.
enum class StringKind : u8 { Move, Store, Load, Scan, Compare };
bool is_string(isa::Op op);
StringKind string_kind(isa::Op op);
// Two operands in memory, of which one is at rSI.
inline bool has_source(StringKind kind) { return kind == StringKind::Move || kind == StringKind::Compare; }

// What MOV, POP, LDS and the like load.
unsigned loaded_segment(const isa::Insn& insn);

// Hints and the like: nothing of them is to be seen, and an operand is not accessed.
bool does_nothing(isa::Op op);

// AH, CH, DH or BH: which REX takes away.
bool names_high_byte(const isa::Insn& insn);

}  // namespace tandem::jit
