#include "jit/base/op_kinds.h"

namespace tandem::jit {

using isa::Op;

namespace {

unsigned row_of(Op op) { return static_cast<unsigned>(op) - static_cast<unsigned>(Op::JO); }

}  // namespace

Conditional conditional(Op op) {
  static_assert(static_cast<u16>(Op::CMOVNLE) - static_cast<u16>(Op::JO) == 3 * 16 - 1);
  return row_of(op) < 3 * 16 ? static_cast<Conditional>(row_of(op) % 3) : Conditional::None;
}

unsigned condition_code(Op op) { return row_of(op) / 3; }

bool branches_by_count(Op op) {
  switch (op) {
    case Op::LOOP:
    case Op::LOOPE:
    case Op::LOOPNE:
    case Op::JCXZ:
    case Op::JECXZ:
    case Op::JRCXZ: return true;
    default: return false;
  }
}

namespace {

// isa.def has them in turn, each in four sizes.
unsigned string_row_of(Op op) { return static_cast<unsigned>(op) - static_cast<unsigned>(Op::MOVSB); }

}  // namespace

bool is_string(Op op) {
  static_assert(static_cast<u16>(Op::CMPSQ) - static_cast<u16>(Op::MOVSB) == 5 * 4 - 1);
  return string_row_of(op) < 5 * 4;
}

StringKind string_kind(Op op) { return static_cast<StringKind>(string_row_of(op) / 4); }

unsigned loaded_segment(const isa::Insn& insn) {
  switch (insn.op) {
    case Op::LDS: return cpu::kDs;
    case Op::LES: return cpu::kEs;
    case Op::LFS: return cpu::kFs;
    case Op::LGS: return cpu::kGs;
    case Op::LSS: return cpu::kSs;
    default: return insn.reg[0];
  }
}

bool does_nothing(Op op) {
  switch (op) {
    case Op::NOP:
    case Op::PAUSE:
    case Op::ENDBR32:
    case Op::ENDBR64:
    case Op::PREFETCH:
    case Op::PREFETCHW:
    case Op::PREFETCHWT1:
    case Op::PREFETCHNTA:
    case Op::PREFETCHT0:
    case Op::PREFETCHT1:
    case Op::PREFETCHT2:
    case Op::CLDEMOTE: return true;
    default: return false;
  }
}

bool names_high_byte(const isa::Insn& insn) {
  for (unsigned n = 0; n < 3; ++n)
    if (insn.kind[n] == isa::OperandKind::Gpr && insn.reg[n] % 8 == 1) return true;
  return false;
}

}  // namespace tandem::jit
