#include "jit/base/register_use.h"

namespace tandem::jit {

namespace {

bool is_part_of(ZydisRegister part, u8 reg) { return gpr_number(part) == reg; }

}  // namespace

std::optional<u8> gpr_number(ZydisRegister reg) {
  const auto from = [&](ZydisRegister first) { return static_cast<u8>(reg - first); };
  if (reg < ZYDIS_REGISTER_AL || reg > ZYDIS_REGISTER_R15) return {};
  if (reg >= ZYDIS_REGISTER_RAX) return from(ZYDIS_REGISTER_RAX);
  if (reg >= ZYDIS_REGISTER_EAX) return from(ZYDIS_REGISTER_EAX);
  if (reg >= ZYDIS_REGISTER_AX) return from(ZYDIS_REGISTER_AX);
  if (reg >= ZYDIS_REGISTER_AH) return from(ZYDIS_REGISTER_AH);  // AH CH DH BH, then SPL as the fifth
  return from(ZYDIS_REGISTER_AL);
}

RegisterUse register_use(const Decoded& d, u8 reg) {
  RegisterUse use;
  // Where the source is 0, they leave the destination alone.
  const bool may_keep = d.insn.mnemonic == ZYDIS_MNEMONIC_BSF || d.insn.mnemonic == ZYDIS_MNEMONIC_BSR;
  for (unsigned n = 0; n < d.insn.operand_count; ++n) {
    const ZydisDecodedOperand& o = d.operands[n];
    if (o.type == ZYDIS_OPERAND_TYPE_MEMORY && (is_part_of(o.mem.base, reg) || is_part_of(o.mem.index, reg)))
      use.reads = true;
    if (o.type != ZYDIS_OPERAND_TYPE_REGISTER || !is_part_of(o.reg.value, reg)) continue;
    const bool whole = o.size >= 32 && !(o.actions & ZYDIS_OPERAND_ACTION_CONDWRITE) && !may_keep;
    if (o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) use.writes = true;
    if ((o.actions & ZYDIS_OPERAND_ACTION_MASK_READ) || !whole) use.reads = true;
  }
  return use;
}

}  // namespace tandem::jit
