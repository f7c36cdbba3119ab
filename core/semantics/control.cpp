#include "core/semantics/control.h"

namespace tandem::semantics {

using namespace cpu;

bool branch_to(Cpu& cpu, u64 target) {
  if (cpu.mode.code_size == 8) {
    if (sign_extend_from(target, 48) != target) return cpu.fault = fault(kGeneralProtection, 0), false;
  } else if (target > cpu.state.segments[kCs].limit) {
    return cpu.fault = fault(kGeneralProtection, 0), false;
  }
  cpu.state.rip = target;
  return true;
}

namespace {

// Size of the instruction pointer that a near branch moves: 64-bit mode knows only 8.
unsigned pointer_size(const Cpu& cpu, const Insn& insn) { return cpu.mode.code_size == 8 ? 8 : insn.size; }

bool push_pointer(Cpu& cpu, unsigned size, u64 value) {
  switch (size) {
    case 2: return push_value<u16>(cpu, static_cast<u16>(value));
    case 4: return push_value<u32>(cpu, static_cast<u32>(value));
    default: return push_value<u64>(cpu, value);
  }
}

bool read_pointer(Cpu& cpu, const Insn& insn, unsigned size, u64& value) {
  u16 v16;
  u32 v32;
  switch (size) {
    case 2: return Any<0>::read<u16>(cpu, insn, v16) && (value = v16, true);
    case 4: return Any<0>::read<u32>(cpu, insn, v32) && (value = v32, true);
    default: return Any<0>::read<u64>(cpu, insn, value);
  }
}

// Pushes the return address and branches; rsp is put back where the target is refused.
Step call_to(Cpu& cpu, const Insn& insn, u64 target) {
  const u64 before = cpu.state.gpr[kRsp];
  if (!push_pointer(cpu, pointer_size(cpu, insn), next_rip(cpu, insn))) return Step::Fault;
  if (branch_to(cpu, target)) return Step::Branch;
  cpu.state.gpr[kRsp] = before;
  return Step::Fault;
}

u64 count_register(const Cpu& cpu, const Insn& insn) {
  return cpu.state.gpr[kRcx] & low_mask(insn.address_size * 8);
}

Step loop_while(Cpu& cpu, const Insn& insn, bool condition) {
  const u64 count = (count_register(cpu, insn) - 1) & low_mask(insn.address_size * 8);
  const bool taken = count != 0 && condition;
  if (!branch_to(cpu, taken ? relative_target(cpu, insn) : next_rip(cpu, insn))) return Step::Fault;
  u64& rcx = cpu.state.gpr[kRcx];
  rcx = insn.address_size == 2 ? (rcx & ~u64{0xffff}) | count : count;
  return Step::Branch;
}

}  // namespace

Step jmp(Cpu& cpu, const Insn& insn) { return branch_step(cpu, relative_target(cpu, insn)); }
Step call(Cpu& cpu, const Insn& insn) { return call_to(cpu, insn, relative_target(cpu, insn)); }

Step jmp_indirect(Cpu& cpu, const Insn& insn) {
  u64 target;
  if (!read_pointer(cpu, insn, pointer_size(cpu, insn), target)) return Step::Fault;
  return branch_step(cpu, target);
}
Step call_indirect(Cpu& cpu, const Insn& insn) {
  u64 target;
  if (!read_pointer(cpu, insn, pointer_size(cpu, insn), target)) return Step::Fault;
  return call_to(cpu, insn, target);
}

Step ret(Cpu& cpu, const Insn& insn) {
  const unsigned size = pointer_size(cpu, insn);
  u64 target = 0;
  u16 v16 = 0;
  u32 v32 = 0;
  bool ok;
  if (size == 8) ok = peek_value<u64>(cpu, target);
  else if (size == 4) ok = peek_value<u32>(cpu, v32), target = v32;
  else ok = peek_value<u16>(cpu, v16), target = v16;
  if (!ok || !branch_to(cpu, target)) return Step::Fault;
  drop(cpu, size + (insn.kind[0] == OperandKind::Imm ? insn.imm & 0xffff : 0));
  return Step::Branch;
}

Step loop(Cpu& cpu, const Insn& insn) { return loop_while(cpu, insn, true); }
Step loope(Cpu& cpu, const Insn& insn) { return loop_while(cpu, insn, cpu.flags.zf()); }
Step loopne(Cpu& cpu, const Insn& insn) { return loop_while(cpu, insn, !cpu.flags.zf()); }
Step jcxz(Cpu& cpu, const Insn& insn) {
  return branch_step(cpu, count_register(cpu, insn) == 0 ? relative_target(cpu, insn) : next_rip(cpu, insn));
}

Step undefined(Cpu& cpu, const Insn&) { return raise(cpu, fault(kInvalidOpcode)); }
Step too_long(Cpu& cpu, const Insn&) { return raise(cpu, fault(kGeneralProtection, 0)); }

}  // namespace tandem::semantics
