#include "jit/llvm/usage.h"

#include <algorithm>

#include "core/semantics/host/thunk.h"
#include "jit/base/register_use.h"

namespace tandem::jit {

namespace {

unsigned vector_bytes_of(ZydisRegister reg) {
  switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_XMM: return 16;
    case ZYDIS_REGCLASS_YMM: return 32;
    case ZYDIS_REGCLASS_ZMM: return 64;
    default: return 0;
  }
}

}  // namespace

std::optional<u8> gpr_of(const ZydisDecodedOperand& o) {
  if (o.type != ZYDIS_OPERAND_TYPE_REGISTER) return {};
  return gpr_number(o.reg.value);
}

u16 stepped_registers(const Decoded& d) {
  u16 registers = 0;
  if (d.insn.meta.category != ZYDIS_CATEGORY_STRINGOP) return 0;
  for (unsigned n = 0; n < d.insn.operand_count; ++n)
    if (d.operands[n].type == ZYDIS_OPERAND_TYPE_MEMORY)
      registers = static_cast<u16>(registers | 1u << ZydisRegisterGetId(d.operands[n].mem.base));
  return registers;
}

std::optional<u8> vector_of(const ZydisDecodedOperand& o) {
  if (o.type != ZYDIS_OPERAND_TYPE_REGISTER || !vector_bytes_of(o.reg.value)) return {};
  return static_cast<u8>(ZydisRegisterGetId(o.reg.value));
}

std::optional<u8> mask_of(const ZydisDecodedOperand& o) {
  if (o.type != ZYDIS_OPERAND_TYPE_REGISTER || ZydisRegisterGetClass(o.reg.value) != ZYDIS_REGCLASS_MASK)
    return {};
  if (o.reg.value == ZYDIS_REGISTER_K0 && o.encoding == ZYDIS_OPERAND_ENCODING_MASK) return {};
  return static_cast<u8>(ZydisRegisterGetId(o.reg.value));
}

bool is_masked(const Decoded& d) {
  switch (d.insn.mnemonic) {
    case ZYDIS_MNEMONIC_VMASKMOVPS:
    case ZYDIS_MNEMONIC_VMASKMOVPD:
    case ZYDIS_MNEMONIC_VPMASKMOVD:
    case ZYDIS_MNEMONIC_VPMASKMOVQ: return true;
    default: break;
  }
  return d.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX && d.insn.avx.mask.reg != ZYDIS_REGISTER_NONE &&
         d.insn.avx.mask.reg != ZYDIS_REGISTER_K0;
}

void add_usage(Usage& usage, const Decoded& d, unsigned widest_vector) {
  if (d.insn.mnemonic == ZYDIS_MNEMONIC_VZEROUPPER) {
    usage.clears_upper = true;
    return;
  }
  if (const ZydisAccessedFlags* f = d.insn.cpu_flags)
    usage.flags_written |= (f->modified | f->set_0 | f->set_1 | f->undefined) != 0;
  usage.written |= stepped_registers(d);
  usage.x87 |= semantics::uses_x87_state(d.insn, d.operands);
  bool names_vectors = false;
  for (unsigned n = 0; n < d.insn.operand_count; ++n) {
    const ZydisDecodedOperand& o = d.operands[n];
    const bool writes = o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    if (const auto reg = gpr_of(o); reg && writes)
      usage.written = static_cast<u16>(usage.written | 1u << *reg);
    if (const auto mask = mask_of(o)) {
      usage.masks |= 1u << *mask;
      if (writes) usage.masks_written |= 1u << *mask;
    }
    const auto vector = vector_of(o);
    if (!vector) continue;
    names_vectors = true;
    usage.vectors |= 1u << *vector;
    if (writes) usage.vectors_written |= 1u << *vector;
    usage.vector_bytes = std::max(usage.vector_bytes, vector_bytes_of(o.reg.value));
  }
  // VEX and EVEX clear what is above the register that they name.
  if (names_vectors && d.insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
    usage.vector_bytes = widest_vector;
}

}  // namespace tandem::jit
