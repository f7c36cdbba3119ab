#include "jit/base/small_values.h"

#include "core/isa/op.h"

namespace tandem::jit {

using isa::Insn;
using isa::Op;
using isa::OperandKind;

namespace {

// Is the 64-bit result in the first operand small, whatever the others are?
bool makes_small(const Insn& insn) {
  const bool by_constant = insn.kind[1] == OperandKind::Imm;
  const i64 constant = static_cast<i64>(insn.imm);
  switch (insn.op) {
    case Op::MOVZX:
    case Op::MOVSX:
    case Op::MOVSXD:
    case Op::CDQE:
    case Op::POPCNT:
    case Op::TZCNT:
    case Op::LZCNT: return true;
    case Op::MOV: return by_constant && constant == static_cast<i32>(constant);
    case Op::AND: return by_constant && constant >= 0;
    case Op::SHR: return by_constant && (constant & 63) >= 32;
    case Op::SAR: return by_constant && (constant & 63) >= 31;
    default: return false;
  }
}

}  // namespace

// A 32-bit result clears the upper half, also where CMOV moves nothing (SDM vol. 2, CMOVcc); smaller ones
// leave it as it was.
bool stays_small(const Insn& insn, const Decoded& d, const ZydisDecodedOperand& written, bool was_small) {
  if (written.size < 32) return was_small;
  const bool always =
      !(written.actions & ZYDIS_OPERAND_ACTION_CONDWRITE) || d.insn.meta.category == ZYDIS_CATEGORY_CMOV;
  const bool may_keep = insn.op == Op::BSF || insn.op == Op::BSR;
  if (written.size == 32) return was_small || (always && !may_keep);
  return &written == &d.operands[0] && makes_small(insn);
}

}  // namespace tandem::jit
