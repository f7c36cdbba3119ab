// INT n and kin, SYSCALL, SYSENTER and their returns.
#include "core/semantics/control.h"
#include "core/semantics/descriptor.h"
#include "core/semantics/interrupt.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

Step deliver(Cpu& cpu, u8 vector, EventKind kind, const Insn& insn) {
  return deliver_event(cpu, {vector, kind, false, 0, next_rip(cpu, insn)}) ? Step::Branch : Step::Fault;
}

Segment flat_segment(u16 selector, u8 type, u8 dpl, bool long_code) {
  Segment s;
  s.selector = selector;
  s.type = type;
  s.s = s.present = s.g = true;
  s.dpl = dpl;
  s.l = long_code;
  s.db = !long_code;
  s.limit = 0xffffffff;
  return s;
}

// CS and SS as the fast system calls load them: fixed contents, not from descriptors.
void set_flat(Cpu& cpu, u16 cs, u16 ss, u8 cpl, bool long_code) {
  cpu.state.segments[kCs] = flat_segment(cs, 0xb, cpl, long_code);
  cpu.state.segments[kSs] = flat_segment(ss, 0x3, cpl, false);
}

bool canonical(u64 a) { return sign_extend_from(a, 48) == a; }

}  // namespace

Step int_n(Cpu& cpu, const Insn& insn) {
  if (cpu.mode.vm86 && bits(cpu.state.rflags, 13, 12) < 3) return raise(cpu, fault(kGeneralProtection, 0));
  return deliver(cpu, static_cast<u8>(insn.imm), EventKind::Software, insn);
}
Step int3(Cpu& cpu, const Insn& insn) {
  return deliver(cpu, kBreakpoint, EventKind::SoftwareException, insn);
}
Step int1(Cpu& cpu, const Insn& insn) { return deliver(cpu, kDebug, EventKind::Icebp, insn); }
Step into(Cpu& cpu, const Insn& insn) {
  if (cpu.flags.of()) return deliver(cpu, kOverflow, EventKind::SoftwareException, insn);
  return branch_step(cpu, next_rip(cpu, insn));
}

Step syscall(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  if (!(s.efer & kEferSce) || cpu.mode.code_size != 8) return raise(cpu, fault(kInvalidOpcode));
  s.gpr[kRcx] = next_rip(cpu, insn);
  s.gpr[kR11] = cpu.rflags() & ~kRf;
  const u16 cs = static_cast<u16>(bits(s.msr.star, 47, 32));
  cpu.set_rflags(cpu.rflags() & ~(s.msr.sfmask | kRf));
  set_flat(cpu, cs & ~3, static_cast<u16>(cs + 8), 0, true);
  s.rip = s.msr.lstar;
  update_mode(cpu);
  return Step::Branch;
}

Step sysret(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  if (!(s.efer & kEferSce) || cpu.mode.code_size != 8) return raise(cpu, fault(kInvalidOpcode));
  if (cpu.mode.cpl != 0) return raise(cpu, fault(kGeneralProtection, 0));
  const bool to_long = insn.size == 8;
  if (to_long && !canonical(s.gpr[kRcx])) return raise(cpu, fault(kGeneralProtection, 0));
  const u16 base = static_cast<u16>(bits(s.msr.star, 63, 48));
  set_flat(cpu, static_cast<u16>((to_long ? base + 16 : base) | 3), static_cast<u16>((base + 8) | 3), 3,
           to_long);
  s.rip = to_long ? s.gpr[kRcx] : static_cast<u32>(s.gpr[kRcx]);
  cpu.set_rflags(s.gpr[kR11] & 0x3c7fd7);
  update_mode(cpu);
  return Step::Branch;
}

Step sysenter(Cpu& cpu, const Insn&) {
  CpuState& s = cpu.state;
  if (!(s.cr0 & kCr0Pe) || is_null(static_cast<u16>(s.msr.sysenter_cs)))
    return raise(cpu, fault(kGeneralProtection, 0));
  const bool wide = cpu.mode.long_mode;
  const u16 cs = static_cast<u16>(s.msr.sysenter_cs & 0xfffc);
  s.rflags &= ~(kVm | kIf | kRf);
  set_flat(cpu, cs, static_cast<u16>(cs + 8), 0, wide);
  s.gpr[kRsp] = wide ? s.msr.sysenter_esp : static_cast<u32>(s.msr.sysenter_esp);
  s.rip = wide ? s.msr.sysenter_eip : static_cast<u32>(s.msr.sysenter_eip);
  update_mode(cpu);
  return Step::Branch;
}

Step sysexit(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  if (!cpu.mode.protected_mode || cpu.mode.cpl != 0 || is_null(static_cast<u16>(s.msr.sysenter_cs)))
    return raise(cpu, fault(kGeneralProtection, 0));
  const bool to_long = insn.size == 8;
  if (to_long && (!canonical(s.gpr[kRcx]) || !canonical(s.gpr[kRdx])))
    return raise(cpu, fault(kGeneralProtection, 0));
  const u16 base = static_cast<u16>(s.msr.sysenter_cs);
  const u16 cs = static_cast<u16>(base + (to_long ? 32 : 16));
  set_flat(cpu, cs | 3, static_cast<u16>((cs + 8) | 3), 3, to_long);
  s.gpr[kRsp] = to_long ? s.gpr[kRcx] : static_cast<u32>(s.gpr[kRcx]);
  s.rip = to_long ? s.gpr[kRdx] : static_cast<u32>(s.gpr[kRdx]);
  update_mode(cpu);
  return Step::Branch;
}

}  // namespace tandem::semantics
