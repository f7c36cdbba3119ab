// BT, BTS, BTR and BTC in memory with the bit's number in a register: they reach beyond their operand (SDM,
// BT).
#include "jit/base/rewrite.h"
#include "jit/base/translator.h"

namespace tandem::jit {

using isa::Insn;

// The word that has the bit is looked up; the host then finds it from where the operand would be beside it.
void Translator::bit_string(const Insn& insn, const Encoded& d) {
  const u8 bit = insn.reg[1] / 8;
  const SegmentOffset o = offset_of(insn);
  free_t1();
  flags_into_slot(kT0);
  if (insn.size == 8) a_.mov(kT1, bit);
  else a_.movsxd(kT1, bit);
  a_.sar(kT1, 3);
  a_.alu_imm(Alu::And, kT1, -static_cast<i32>(insn.size));
  if (insn.base == isa::kRipOffset) a_.mov_imm(kT0, constant_of(insn));
  else form_offset(o);
  a_.alu(Alu::Add, kT0, kT1);
  a_.alu_imm(Alu::Xor, kT1, -1);
  a_.store(spill(0), kT1);
  find_formed(o, insn.size, d.memory->writes);
  a_.load(kT1, spill(0));
  a_.lea(kT0, Mem{kT0, kT1, 0, 1, false});
  rewrite(a_, d, at(kT0));
}

}  // namespace tandem::jit
