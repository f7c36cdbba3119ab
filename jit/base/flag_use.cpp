#include "jit/base/flag_use.h"

#include "core/isa/op.h"

namespace tandem::jit {

namespace {

bool is_shift(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD: return true;
    default: return false;
  }
}

// A shift by nothing sets nothing (SDM vol. 2, SAL/SAR/SHL/SHR), and one by CL may be that.
bool may_shift_by_nothing(const ZydisDecodedInstruction& insn) {
  if (!is_shift(insn.mnemonic)) return false;
  const auto& imm = insn.raw.imm[0];
  if (imm.size == 0) return (insn.opcode & 0xfe) != 0xd0;  // D0, D1: by one
  return (imm.value.u & 31) == 0 || insn.operand_width < 32;
}

}  // namespace

u32 written_flags(const ZydisDecodedInstruction& insn) {
  const ZydisAccessedFlags* f = insn.cpu_flags;
  return f ? (f->modified | f->set_0 | f->set_1 | f->undefined) & kAllFlags : 0;
}

FlagUse flag_use(const ZydisDecodedInstruction& insn) {
  const ZydisAccessedFlags* f = insn.cpu_flags;
  if (!f) return {};
  FlagUse use;
  use.reads = static_cast<u16>(f->tested & kAllFlags);
  const u32 written = written_flags(insn);
  use.writes = written;
  if (!may_shift_by_nothing(insn)) use.kills = static_cast<u16>(written);
  return use;
}

bool shifts_by_nothing(const isa::Insn& insn) {
  using isa::Op;
  switch (insn.op) {
    case Op::ROL:
    case Op::ROR:
    case Op::RCL:
    case Op::RCR:
    case Op::SHL:
    case Op::SHR:
    case Op::SAR: return insn.kind[1] == isa::OperandKind::Imm && (insn.imm & 31) == 0;
    case Op::SHLD:
    case Op::SHRD: return insn.kind[2] == isa::OperandKind::Imm && (insn.imm & 31) == 0;
    default: return false;
  }
}

u32 undefined_flags(const ZydisDecodedInstruction& insn) {
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_XOR:
    case ZYDIS_MNEMONIC_TEST: return 0;  // AF is cleared everywhere
    case ZYDIS_MNEMONIC_SBB: return 0;   // Zydis 4.0 leaves AF open, SDM vol. 2 does not
    default: return insn.cpu_flags ? insn.cpu_flags->undefined & kAllFlags : 0;
  }
}

void live_flags(std::span<const FlagUse> uses, std::vector<u32>& before) {
  before.resize(uses.size());
  u32 live = kAllFlags;
  for (std::size_t i = uses.size(); i-- > 0;) {
    live = (live & ~uses[i].kills) | uses[i].reads;
    before[i] = live;
  }
}

}  // namespace tandem::jit
