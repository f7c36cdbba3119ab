#include "tests/isa/allowed.h"

namespace tandem::tests {

namespace {

bool category_is_local(ZydisInstructionCategory category) {
  switch (category) {
    case ZYDIS_CATEGORY_SYSTEM:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_RDRAND:
    case ZYDIS_CATEGORY_RDSEED:
    case ZYDIS_CATEGORY_RDPID:
    case ZYDIS_CATEGORY_RDWRFSGS:
    case ZYDIS_CATEGORY_XSAVE:
    case ZYDIS_CATEGORY_XSAVEOPT:
    case ZYDIS_CATEGORY_SEGOP:
    case ZYDIS_CATEGORY_PREFETCH:
    case ZYDIS_CATEGORY_INVALID: return false;
    default: return true;
  }
}

bool mnemonic_is_local(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDTSCP:
    case ZYDIS_MNEMONIC_RDPMC:
    case ZYDIS_MNEMONIC_XGETBV:
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFQ:
    // Images with the x87 pointers in them, which name whoever executed.
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FRSTOR:
    // Descriptor tables of the host's kernel.
    case ZYDIS_MNEMONIC_LAR:
    case ZYDIS_MNEMONIC_LSL:
    case ZYDIS_MNEMONIC_VERR:
    case ZYDIS_MNEMONIC_VERW:
    case ZYDIS_MNEMONIC_SLDT:
    case ZYDIS_MNEMONIC_STR:
    case ZYDIS_MNEMONIC_SMSW:
    case ZYDIS_MNEMONIC_SGDT:
    case ZYDIS_MNEMONIC_SIDT:
    case ZYDIS_MNEMONIC_LFS:
    case ZYDIS_MNEMONIC_LGS:
    case ZYDIS_MNEMONIC_LSS:
    // Stack frames by the program's own pointers.
    case ZYDIS_MNEMONIC_ENTER:
    case ZYDIS_MNEMONIC_LEAVE:
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_CLZERO:
    case ZYDIS_MNEMONIC_MONITOR:
    case ZYDIS_MNEMONIC_MWAIT:
    case ZYDIS_MNEMONIC_UMONITOR: return false;
    default: return true;
  }
}

bool is_branch(const Decoded& d) {
  return d.insn.meta.category == ZYDIS_CATEGORY_CALL || d.insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
         d.insn.meta.category == ZYDIS_CATEGORY_COND_BR;
}

bool operand_is_local(const ZydisDecodedOperand& o) {
  if (o.type == ZYDIS_OPERAND_TYPE_MEMORY)
    return o.mem.segment != ZYDIS_REGISTER_FS && o.mem.segment != ZYDIS_REGISTER_GS;
  if (o.type != ZYDIS_OPERAND_TYPE_REGISTER) return true;
  switch (ZydisRegisterGetClass(o.reg.value)) {
    case ZYDIS_REGCLASS_SEGMENT:
    case ZYDIS_REGCLASS_CONTROL:
    case ZYDIS_REGCLASS_DEBUG: return false;
    default: return true;
  }
}

}  // namespace

bool runs_anywhere(const Decoded& d) {
  if (!category_is_local(d.insn.meta.category) || !mnemonic_is_local(d.insn.mnemonic)) return false;
  if (d.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_3DNOW) return false;  // not offered; old hosts have it
  // Branches only by a displacement, which the generator sets.
  if (is_branch(d) && d.operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE) return false;
  // With an operand size of 16 bits a branch cuts RIP on AMD CPUs and not on Intel's.
  if (is_branch(d) && (d.insn.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)) return false;
  for (unsigned i = 0; i < d.insn.operand_count; ++i)
    if (!operand_is_local(d.operands[i])) return false;
  // PREFETCHW of a register: #UD on AMD CPUs, nothing on Intel's.
  if (d.insn.mnemonic == ZYDIS_MNEMONIC_NOP && d.insn.opcode == 0x0d) return false;
  // Results that the manual leaves open: BSWAP of 16 bits, double shifts of 16 bits by more than 16.
  const ZydisMnemonic m = d.insn.mnemonic;
  const bool open = m == ZYDIS_MNEMONIC_BSWAP || m == ZYDIS_MNEMONIC_SHLD || m == ZYDIS_MNEMONIC_SHRD;
  return !open || d.insn.operand_width != 16;
}

}  // namespace tandem::tests
