// Instructions of the kernel that need no look of the interpreter's.
#include "core/isa/op.h"
#include "jit/base/translator.h"

namespace tandem::jit {

using isa::Insn;
using isa::Op;

// CLI at CPL 0, CLD and STD: nothing can be refused.
void Translator::set_flag(const Insn& insn) {
  const Mem rflags = field(&context_.state.rflags);
  flags_into_slot(kT0);
  if (insn.op == Op::STD) a_.alu_imm(Alu::Or, rflags, static_cast<i32>(cpu::kDf));
  else a_.alu_imm(Alu::And, rflags, ~static_cast<i32>(insn.op == Op::CLD ? cpu::kDf : cpu::kIf));
  flags_lost();
}

// At CPL 0, where no interrupt waits: as interp::drop_idle_shadow() leaves it.
void Translator::sti(const Insn& insn) {
  flags_into_slot(kT0);
  a_.alu_imm(Alu::Cmp, field(&context_.requests), 0, false);
  slow_if(Cc::Nz);
  a_.alu_imm(Alu::Cmp, field(&context_.held), 0, false);
  slow_if(Cc::Nz);
  a_.test_byte(at_address(address_of(&context_.state.rflags) + 1), cpu::kIf >> 8);
  const Hole was_set = a_.jump(Cc::Nz);
  a_.alu_imm(Alu::Or, field(&context_.state.rflags), static_cast<i32>(cpu::kIf));
  interp::Boundary& dropped = context_.shadow_dropped_at;
  if (!budget_in_t1_) a_.load(kT0, remaining());
  a_.store(field(&dropped.remaining), budget_in_t1_ ? kT1 : kT0);
  code_address(kT0, next_of(insn), wide_);
  a_.store(field(&dropped.rip), kT0);
  a_.fill(was_set);
  flags_lost();
}

void Translator::swap_gs() {
  free_t1();
  const Mem base = field(&context_.state.segments[cpu::kGs].base);
  const Mem kernel = field(&context_.state.msr.kernel_gs_base);
  a_.load(kT0, base);
  a_.load(kT1, kernel);
  a_.store(base, kT1);
  a_.store(kernel, kT0);
}

// Ends its block, because interrupts change the time that it sees.
void Translator::read_tsc(const Insn& insn) {
  flags_into_slot(kT0);
  const bool with_aux = insn.op == Op::RDTSCP;
  if (with_aux) a_.bytes({0x0f, 0x01, 0xf9});
  else a_.bytes({0x0f, 0x31});
  a_.shl(kDx, 32);
  a_.lea(kAx, Mem{kAx, kDx, 0, 0, false});
  a_.alu(Alu::Add, kAx, field(&context_.tier.host_tsc_offset));
  a_.alu(Alu::Add, kAx, field(&context_.state.tsc_offset));
  a_.mov(kDx, kAx);
  a_.shr(kDx, 32, true);
  a_.mov(kAx, kAx, false);
  if (with_aux) a_.load(kCx, field(&context_.state.msr.tsc_aux), false);
  flags_lost();
}

}  // namespace tandem::jit
