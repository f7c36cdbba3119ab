// What an instruction does with a general-purpose register.
#pragma once

#include <optional>

#include "core/isa/insn.h"
#include "jit/base/decoded.h"

namespace tandem::jit {

struct RegisterUse {
  bool reads = false;  // its old value matters, also for an address or for the part that is not written
  bool writes = false;
};

// reg: 0 RAX .. 15 R15.
RegisterUse register_use(const Decoded& d, u8 reg);

// Number of the general-purpose register that this is, or is a part of. Zydis' own functions search for it.
std::optional<u8> gpr_number(ZydisRegister reg);

// Is it an operand, other than for an address?
inline bool names_gpr(const isa::Insn& insn, u8 reg) {
  for (unsigned n = 0; n < 3; ++n)
    if (insn.kind[n] == isa::OperandKind::Gpr && insn.reg[n] / 8 == reg) return true;
  return false;
}

}  // namespace tandem::jit
