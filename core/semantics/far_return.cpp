// Far RET and IRET (SDM vol. 2; vol. 3, 5.8.6 and 6.12).
#include "core/semantics/control.h"
#include "core/semantics/descriptor.h"
#include "core/semantics/interrupt.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

Step refuse(Cpu& cpu, Vector v, u32 code) { return raise(cpu, fault(v, code)); }

bool peek_sized(Cpu& cpu, unsigned size, unsigned depth, u64& value, u64 extra = 0) {
  const u64 at = stack_pointer(cpu) + depth * size + extra;
  u16 v16 = 0;
  u32 v32 = 0;
  bool ok;
  if (size == 8) ok = stack_read<u64>(cpu, at, value);
  else if (size == 4) ok = stack_read<u32>(cpu, at, v32), value = v32;
  else ok = stack_read<u16>(cpu, at, v16), value = v16;
  return ok;
}

// The code segment that a return goes to.
bool return_code(Cpu& cpu, u16 selector, DescriptorRef& ref) {
  const u32 code = selector & ~3u;
  if (is_null(selector)) return cpu.fault = fault(kGeneralProtection, 0), false;
  if (!fetch_descriptor(cpu, selector, kGeneralProtection, ref)) return false;
  const Descriptor& d = ref.descriptor;
  const bool level_ok = rpl(selector) >= cpu.mode.cpl &&
                        (d.is_conforming() ? d.dpl() <= rpl(selector) : d.dpl() == rpl(selector));
  const bool l_ok = !(cpu.mode.long_mode && d.long_code() && d.db());
  if (!d.is_code() || !level_ok || !l_ok) return cpu.fault = fault(kGeneralProtection, code), false;
  if (!d.present()) return cpu.fault = fault(kSegmentNotPresent, code), false;
  return set_accessed(cpu, ref);
}

// SS of an outer (or with IRET in 64-bit mode the same) level; CS is loaded already.
bool return_stack(Cpu& cpu, u16 ss, u8 level, bool to_long) {
  if (is_null(ss)) {
    if (!to_long || level == 3) return cpu.fault = fault(kGeneralProtection, 0), false;
    cpu.state.segments[kSs] = {.selector = ss, .type = 0, .s = true, .dpl = level, .present = false};
    return true;
  }
  DescriptorRef ref;
  if (!fetch_descriptor(cpu, ss, kGeneralProtection, ref)) return false;
  const Descriptor& d = ref.descriptor;
  if (rpl(ss) != level || d.dpl() != level || !d.is_writable_data())
    return cpu.fault = fault(kGeneralProtection, ss & ~3u), false;
  if (!d.present()) return cpu.fault = fault(kStackFault, ss & ~3u), false;
  if (!set_accessed(cpu, ref)) return false;
  cpu.state.segments[kSs] = ref.descriptor.segment(ss);
  return true;
}

void set_outer_rsp(Cpu& cpu, u64 rsp) {
  u64& r = cpu.state.gpr[kRsp];
  r = cpu.mode.stack_size == 2   ? (r & ~u64{0xffff}) | (rsp & 0xffff)
      : cpu.mode.stack_size == 4 ? static_cast<u32>(rsp)
                                 : rsp;
}

// Loads CS:rIP and, where asked, SS:rSP. Everything popped was read before.
bool go_outside(Cpu& cpu, u16 cs, u64 rip, DescriptorRef& code, bool with_stack, u16 ss, u64 rsp) {
  const u8 level = rpl(cs);
  const bool to_long = cpu.mode.long_mode && code.descriptor.long_code();
  if (with_stack && !return_stack(cpu, ss, level, to_long)) return false;
  set_code_segment(cpu, cs, code.descriptor, level);
  if (!branch_to(cpu, rip)) return false;
  if (with_stack) set_outer_rsp(cpu, rsp);
  return true;
}

Step far_return_real(Cpu& cpu, const Insn& insn, u64 release) {
  u64 ip, cs;
  if (!peek_sized(cpu, insn.size, 0, ip) || !peek_sized(cpu, insn.size, 1, cs)) return Step::Fault;
  if (ip > cpu.state.segments[kCs].limit) return refuse(cpu, kGeneralProtection, 0);
  load_segment_real(cpu, kCs, static_cast<u16>(cs));
  cpu.state.rip = ip;
  drop(cpu, 2u * insn.size + release);
  update_mode(cpu);
  return Step::Branch;
}

}  // namespace

Step ret_far(Cpu& cpu, const Insn& insn) {
  const u64 release = insn.kind[0] == OperandKind::Imm ? insn.imm & 0xffff : 0;
  if (!cpu.mode.protected_mode) return far_return_real(cpu, insn, release);
  u64 rip, cs64, rsp = 0, ss64 = 0;
  if (!peek_sized(cpu, insn.size, 0, rip) || !peek_sized(cpu, insn.size, 1, cs64)) return Step::Fault;
  const u16 cs = static_cast<u16>(cs64);
  DescriptorRef code;
  if (!return_code(cpu, cs, code)) return Step::Fault;
  const bool outer = rpl(cs) > cpu.mode.cpl;
  if (outer &&
      (!peek_sized(cpu, insn.size, 2, rsp, release) || !peek_sized(cpu, insn.size, 3, ss64, release)))
    return Step::Fault;
  const TransferBackup before(cpu);
  if (!outer) drop(cpu, 2u * insn.size + release);
  if (!go_outside(cpu, cs, rip, code, outer, static_cast<u16>(ss64), rsp + (outer ? release : 0))) {
    const GuestFault f = cpu.fault;
    before.restore(cpu);
    return raise(cpu, f);
  }
  if (outer) drop_inner_segments(cpu);
  return Step::Branch;
}

namespace {

Step iret_real(Cpu& cpu, const Insn& insn) {
  u64 ip, cs, flags;
  for (unsigned i = 0; i < 3; ++i)
    if (!peek_sized(cpu, insn.size, i, i == 0 ? ip : i == 1 ? cs : flags)) return Step::Fault;
  if (ip > cpu.state.segments[kCs].limit) return refuse(cpu, kGeneralProtection, 0);
  drop(cpu, 3u * insn.size);
  load_segment_real(cpu, kCs, static_cast<u16>(cs));
  cpu.state.rip = ip;
  const u64 old = cpu.rflags();
  const u64 keep = cpu.mode.vm86 ? kIopl | kVm | kVif | kVip : kVm | kVif | kVip;
  const u64 taken = insn.size == 2 ? 0xffff & ~keep : 0x257fd5 & ~keep;
  cpu.set_rflags((old & ~taken) | (flags & taken));
  update_mode(cpu);
  return Step::Branch;
}

// RFLAGS bits that IRET takes from the stack at this level (SDM, IRET).
u64 iret_flags_mask(const Cpu& cpu, unsigned size) {
  u64 mask = kArithmeticFlags | kTf | kDf | kNt;
  if (size != 2) mask |= kRf | kAc | kId;
  if (cpu.mode.cpl <= bits(cpu.state.rflags, 13, 12)) mask |= kIf;
  if (cpu.mode.cpl == 0) mask |= kIopl | (size != 2 ? kVif | kVip : 0);
  return mask;
}

Step iret_to_v86(Cpu& cpu, u64 eip, u16 cs, u64 flags) {
  u64 values[6];  // ESP SS ES DS FS GS
  for (unsigned i = 0; i < 6; ++i)
    if (!peek_sized(cpu, 4, 3 + i, values[i])) return Step::Fault;
  cpu.set_rflags((flags & 0x3f7fd7) | kVm);
  update_mode(cpu);
  static constexpr unsigned kNames[] = {kSs, kEs, kDs, kFs, kGs};
  for (unsigned i = 0; i < 5; ++i) load_segment_real(cpu, kNames[i], static_cast<u16>(values[1 + i]));
  load_segment_real(cpu, kCs, cs);
  cpu.state.gpr[kRsp] = values[0];
  cpu.state.rip = static_cast<u16>(eip);
  update_mode(cpu);
  return Step::Branch;
}

Step iret_nested(Cpu& cpu, const Insn& insn) {
  u16 link;
  if (cpu.mode.long_mode) return refuse(cpu, kGeneralProtection, 0);
  if (!mmu::read_system(cpu, cpu.state.tr.base, &link, 2)) return Step::Fault;
  return switch_task(cpu, link, TaskSwitch::Iret, next_rip(cpu, insn)) ? Step::Branch : Step::Fault;
}

Step iret_protected(Cpu& cpu, const Insn& insn) {
  u64 rip, cs64, flags, rsp = 0, ss64 = 0;
  if (!peek_sized(cpu, insn.size, 0, rip) || !peek_sized(cpu, insn.size, 1, cs64) ||
      !peek_sized(cpu, insn.size, 2, flags))
    return Step::Fault;
  const u16 cs = static_cast<u16>(cs64);
  if (insn.size == 4 && (flags & kVm) && cpu.mode.cpl == 0 && !cpu.mode.long_mode)
    return iret_to_v86(cpu, rip, cs, flags);
  DescriptorRef code;
  if (!return_code(cpu, cs, code)) return Step::Fault;
  const bool with_stack = rpl(cs) > cpu.mode.cpl || cpu.mode.code_size == 8;
  if (with_stack && (!peek_sized(cpu, insn.size, 3, rsp) || !peek_sized(cpu, insn.size, 4, ss64)))
    return Step::Fault;
  const TransferBackup before(cpu);
  const u64 mask = iret_flags_mask(cpu, insn.size);
  const u8 old_cpl = cpu.mode.cpl;
  if (!with_stack) drop(cpu, 3u * insn.size);
  if (!go_outside(cpu, cs, rip, code, with_stack, static_cast<u16>(ss64), rsp)) {
    const GuestFault f = cpu.fault;
    before.restore(cpu);
    return raise(cpu, f);
  }
  cpu.set_rflags((cpu.rflags() & ~mask) | (flags & mask));
  update_mode(cpu);
  if (cpu.mode.cpl > old_cpl) drop_inner_segments(cpu);
  return Step::Branch;
}

}  // namespace

Step iret(Cpu& cpu, const Insn& insn) {
  if (cpu.mode.vm86 && bits(cpu.state.rflags, 13, 12) < 3) return refuse(cpu, kGeneralProtection, 0);
  Step s;
  if (!cpu.mode.protected_mode) s = iret_real(cpu, insn);
  else if (cpu.state.rflags & kNt) s = iret_nested(cpu, insn);
  else s = iret_protected(cpu, insn);
  if (s == Step::Branch) cpu.state.events.nmi_blocked = false;
  return s;
}

}  // namespace tandem::semantics
