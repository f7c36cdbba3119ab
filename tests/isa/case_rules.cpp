#include "tests/isa/case_rules.h"

namespace tandem::tests {

Group group_of(std::span<const u8> code) {
  Decoded d;
  if (!decode64(code, d)) return Group::Integer;
  if (d.insn.meta.isa_ext == ZYDIS_ISA_EXT_X87) return Group::X87;
  if (d.insn.mnemonic == ZYDIS_MNEMONIC_EMMS) return Group::X87;
  for (unsigned i = 0; i < d.insn.operand_count; ++i) {
    if (d.operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
    switch (ZydisRegisterGetClass(d.operands[i].reg.value)) {
      case ZYDIS_REGCLASS_MMX:
      case ZYDIS_REGCLASS_XMM:
      case ZYDIS_REGCLASS_YMM:
      case ZYDIS_REGCLASS_ZMM:
      case ZYDIS_REGCLASS_MASK: return Group::Vector;
      default: break;
    }
  }
  return Group::Integer;
}

bool is_approximate(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_F2XM1:
    case ZYDIS_MNEMONIC_FCOS:
    case ZYDIS_MNEMONIC_FPATAN:
    case ZYDIS_MNEMONIC_FPTAN:
    case ZYDIS_MNEMONIC_FSIN:
    case ZYDIS_MNEMONIC_FSINCOS:
    case ZYDIS_MNEMONIC_FYL2X:
    case ZYDIS_MNEMONIC_FYL2XP1:
    case ZYDIS_MNEMONIC_RCPPS:
    case ZYDIS_MNEMONIC_RCPSS:
    case ZYDIS_MNEMONIC_RSQRTPS:
    case ZYDIS_MNEMONIC_RSQRTSS:
    case ZYDIS_MNEMONIC_VRCPPS:
    case ZYDIS_MNEMONIC_VRCPSS:
    case ZYDIS_MNEMONIC_VRSQRTPS:
    case ZYDIS_MNEMONIC_VRSQRTSS: return true;
    default: return false;
  }
}

}  // namespace tandem::tests
