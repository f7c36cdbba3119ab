// Which instructions a region may contain.
#include "jit/llvm/liftable.h"

#include "core/isa/op.h"
#include "core/semantics/host/host_insn.h"
#include "core/semantics/host/run.h"
#include "jit/base/assembler.h"
#include "jit/base/op_kinds.h"
#include "jit/llvm/plan.h"
#include "jit/llvm/usage.h"

namespace tandem::jit {

using isa::Insn;
using isa::Op;
using isa::OperandKind;

namespace {

// Values of 64 elements are AVX512BW's.
bool is_operand_known(const ZydisDecodedOperand& o) {
  if (o.type != ZYDIS_OPERAND_TYPE_REGISTER) return true;
  if (mask_of(o)) return __builtin_cpu_supports("avx512bw");
  const ZydisRegisterClass c = ZydisRegisterGetClass(o.reg.value);
  return c != ZYDIS_REGCLASS_SEGMENT && c != ZYDIS_REGCLASS_CONTROL && c != ZYDIS_REGCLASS_DEBUG;
}

// That vector and x87 instructions of this form are not kept from by what is not an operand of assembly.
bool is_host_liftable(const Insn& insn, const Decoded& d) {
  const auto& h = *static_cast<const semantics::HostInsn*>(insn.host);
  if (h.vsib.count) return false;
  if (d.memory &&
      (d.memory->mem.type != ZYDIS_MEMOP_TYPE_MEM || !(d.insn.attributes & ZYDIS_ATTRIB_HAS_MODRM)))
    return false;
  for (unsigned n = 0; n < d.insn.operand_count; ++n)
    if (!is_operand_known(d.operands[n])) return false;
  return !d.memory || h.run != semantics::run_registers;
}

bool names_rsp(const Decoded& d) {
  for (unsigned n = 0; n < d.insn.operand_count; ++n)
    if (gpr_of(d.operands[n]) == u8{kSp}) return true;
  return false;
}

// Instructions on general-purpose registers that are left to the host.
bool is_host_integer(Op op) {
  switch (op) {
    case Op::BSF:
    case Op::BSR:
    case Op::TZCNT:
    case Op::LZCNT:
    case Op::POPCNT:
    case Op::CRC32:
    case Op::BEXTR:
    case Op::BLSI:
    case Op::BLSMSK:
    case Op::BLSR:
    case Op::BZHI:
    case Op::PDEP:
    case Op::PEXT:
    case Op::LFENCE:
    case Op::MFENCE:
    case Op::SFENCE: return true;
    default: return false;
  }
}

// Those that are atomic in memory, and set all flags that they set.
bool is_host_locked(const Insn& insn, const Decoded& d) {
  if (!d.memory) return false;
  switch (insn.op) {
    case Op::ADD:
    case Op::OR:
    case Op::AND:
    case Op::SUB:
    case Op::XOR:
    case Op::INC:
    case Op::DEC:
    case Op::NEG:
    case Op::NOT:
    case Op::BTS:
    case Op::BTR:
    case Op::BTC: return insn.prefixes & isa::kLock;
    case Op::XADD:
    case Op::CMPXCHG:
    case Op::CMPXCHG8B:
    case Op::CMPXCHG16B:
    case Op::XCHG: return true;
    default: return false;
  }
}

bool is_stack(Op op) {
  switch (op) {
    case Op::PUSH:
    case Op::POP:
    case Op::LEAVE:
    case Op::CALL:
    case Op::CALL_INDIRECT:
    case Op::RET: return true;
    default: return false;
  }
}

// Instructions that become IR.
bool is_ir_liftable(const Insn& insn, const Decoded& d) {
  if (insn.prefixes & isa::kLock) return false;
  if (conditional(insn.op) != Conditional::None || does_nothing(insn.op)) return true;
  switch (insn.op) {
    case Op::ADD:
    case Op::OR:
    case Op::ADC:
    case Op::SBB:
    case Op::AND:
    case Op::SUB:
    case Op::XOR:
    case Op::CMP:
    case Op::TEST:
    case Op::INC:
    case Op::DEC:
    case Op::NEG:
    case Op::NOT:
    case Op::MOV:
    case Op::MOVNTI:
    case Op::MOVBE:
    case Op::MOVZX:
    case Op::MOVSX:
    case Op::MOVSXD:
    case Op::LEA:
    case Op::CBW:
    case Op::CWDE:
    case Op::CDQE:
    case Op::CWD:
    case Op::CDQ:
    case Op::CQO:
    case Op::ANDN:
    case Op::VZEROUPPER:
    case Op::CLC:
    case Op::STC:
    case Op::CMC:
    case Op::LAHF:
    case Op::SAHF:
    case Op::SHL:
    case Op::SHR:
    case Op::SAR:
    case Op::ROL:
    case Op::ROR:
    case Op::SHLX:
    case Op::SHRX:
    case Op::SARX:
    case Op::RORX:
    case Op::IMUL:
    case Op::IMUL_ONE:
    case Op::MUL:
    case Op::MULX:
    case Op::DIV:
    case Op::IDIV:
    case Op::LEAVE:
    case Op::JMP:
    case Op::CALL:
    case Op::RET:
    case Op::JMP_INDIRECT:
    case Op::CALL_INDIRECT:
    case Op::RDTSC:
    case Op::RDTSCP: return true;
    case Op::PUSH:
    case Op::POP: return insn.size == 8 && !(insn.op == Op::POP && d.memory);
    case Op::BSWAP: return insn.size >= 4;
    case Op::BT:
    case Op::BTS:
    case Op::BTR:
    case Op::BTC: return !d.memory || insn.kind[1] == OperandKind::Imm;
    case Op::XCHG:
    case Op::XADD: return !d.memory;
    case Op::SHLD:
    case Op::SHRD: return insn.size >= 4;
    case Op::RCL:
    case Op::RCR: return insn.kind[1] == OperandKind::Imm && (insn.imm & 31) == 1;
    default: return false;
  }
}

}  // namespace

bool is_flat_repetition(const Insn& insn) {
  const bool repeats = insn.prefixes & (isa::kRep | isa::kRepne);
  return is_string(insn.op) && repeats && string_kind(insn.op) != StringKind::Load &&
         insn.address_size == 8 && insn.segment < cpu::kFs;
}

bool is_liftable(const Insn& insn, const Decoded& d, u8 region, u8 second_region) {
  if (d.insn.length == 0) return false;
  if (insn.op == Op::XCHG && d.insn.mnemonic != ZYDIS_MNEMONIC_XCHG) return false;  // see isa::decode()
  const bool accesses = d.memory && insn.op != Op::LEA && !does_nothing(insn.op);
  if (accesses && (region == PlanBlock::kSoft || insn.address_size != 8)) return false;
  if (is_stack(insn.op) && (d.memory ? second_region : region) == PlanBlock::kSoft) return false;
  if (is_ir_liftable(insn, d)) return true;
  if (names_rsp(d) || names_high_byte(insn)) return false;
  if (is_host_locked(insn, d) || is_host_integer(insn.op)) return true;
  return insn.op == Op::HOST && is_host_liftable(insn, d);
}

}  // namespace tandem::jit
