#include "jit/base/register_use.h"

namespace tandem::jit {

namespace {

bool is_part_of(ZydisRegister part, u8 reg) {
  const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, part);
  return ZydisRegisterGetClass(whole) == ZYDIS_REGCLASS_GPR64 && ZydisRegisterGetId(whole) == reg;
}

}  // namespace

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
