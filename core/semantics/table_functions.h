// Every function that isa.def names.
#pragma once

#include "core/semantics/arithmetic.h"
#include "core/semantics/bits.h"
#include "core/semantics/control.h"
#include "core/semantics/host/host.h"
#include "core/semantics/host/vector_system.h"
#include "core/semantics/io.h"
#include "core/semantics/move.h"
#include "core/semantics/shift.h"
#include "core/semantics/stack.h"
#include "core/semantics/string.h"
#include "core/semantics/system.h"

namespace tandem::semantics {

inline Step imul_one(Cpu& cpu, const Insn& insn) {
  switch (insn.size) {
    case 1: return imul_one_sized<u8>(cpu, insn);
    case 2: return imul_one_sized<u16>(cpu, insn);
    case 4: return imul_one_sized<u32>(cpu, insn);
    default: return imul_one_sized<u64>(cpu, insn);
  }
}

}  // namespace tandem::semantics
