// Near branches, far transfers, interrupts and returns from them.
#pragma once

#include "core/semantics/stack.h"

namespace tandem::semantics {

// Sets rip to a near target. False: #GP(0) for a target outside of CS or not canonical.
[[nodiscard]] bool branch_to(Cpu& cpu, u64 target);

// Target of a relative branch, cut to the operand size as the manual says.
inline u64 relative_target(const Cpu& cpu, const Insn& insn) {
  const u64 target = next_rip(cpu, insn) + insn.imm;
  return insn.size == 8 || cpu.mode.code_size == 8 ? target
         : insn.size == 4                          ? static_cast<u32>(target)
                                                   : static_cast<u16>(target);
}

inline Step branch_step(Cpu& cpu, u64 target) { return branch_to(cpu, target) ? Step::Branch : Step::Fault; }

template <unsigned N>
Step jcc(Cpu& cpu, const Insn& insn) {
  return branch_step(cpu, alu::condition<N>(cpu.flags) ? relative_target(cpu, insn) : next_rip(cpu, insn));
}
Step jmp(Cpu& cpu, const Insn& insn);
Step call(Cpu& cpu, const Insn& insn);
Step ret(Cpu& cpu, const Insn& insn);
Step jmp_indirect(Cpu& cpu, const Insn& insn);
Step call_indirect(Cpu& cpu, const Insn& insn);
Step loop(Cpu& cpu, const Insn& insn);
Step loope(Cpu& cpu, const Insn& insn);
Step loopne(Cpu& cpu, const Insn& insn);
Step jcxz(Cpu& cpu, const Insn& insn);
Step undefined(Cpu& cpu, const Insn& insn);
Step too_long(Cpu& cpu, const Insn& insn);

Step jmp_far(Cpu& cpu, const Insn& insn);
Step call_far(Cpu& cpu, const Insn& insn);
Step ret_far(Cpu& cpu, const Insn& insn);
Step iret(Cpu& cpu, const Insn& insn);
Step int_n(Cpu& cpu, const Insn& insn);
Step int1(Cpu& cpu, const Insn& insn);
Step int3(Cpu& cpu, const Insn& insn);
Step into(Cpu& cpu, const Insn& insn);
Step syscall(Cpu& cpu, const Insn& insn);
Step sysret(Cpu& cpu, const Insn& insn);
Step sysenter(Cpu& cpu, const Insn& insn);
Step sysexit(Cpu& cpu, const Insn& insn);
Step rsm(Cpu& cpu, const Insn& insn);

}  // namespace tandem::semantics
