#include "jit/base/small_values.h"

#include "core/isa/op.h"
#include "jit/base/register_use.h"

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

bool SmallWrites::is_small(unsigned reg, const Insn& insn, bool was_small) const {
  return (always >> reg & 1) || ((still >> reg & 1) && was_small) ||
         ((first >> reg & 1) && makes_small(insn));
}

SmallWrites small_writes(const Insn& insn, const Decoded& d) {
  SmallWrites all;
  for (unsigned n = 0; n < d.insn.operand_count; ++n) {
    const ZydisDecodedOperand& o = d.operands[n];
    if (o.type != ZYDIS_OPERAND_TYPE_REGISTER || !(o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)) continue;
    const std::optional<u8> reg = gpr_number(o.reg.value);
    if (!reg) continue;
    const auto add = [&](u16& mask, bool is) { mask = static_cast<u16>(mask | is << *reg); };
    if (o.size > 32) {
      add(all.first, n == 0);
    } else {
      add(all.always, stays_small(insn, d, o, false));
      add(all.still, stays_small(insn, d, o, true));
    }
  }
  return all;
}

}  // namespace tandem::jit
