// Far JMP, CALL and RET (SDM vol. 2 and vol. 3, 5.8).
#include "core/semantics/control.h"
#include "core/semantics/descriptor.h"
#include "core/semantics/interrupt.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

struct FarPointer {
  u16 selector;
  u64 offset;
};

Step refuse(Cpu& cpu, Vector v, u32 code) { return raise(cpu, fault(v, code)); }

bool read_far_pointer(Cpu& cpu, const Insn& insn, FarPointer& out) {
  if (insn.kind[0] == OperandKind::Imm) {
    out = {static_cast<u16>(insn.imm >> 32), static_cast<u32>(insn.imm)};
    return true;
  }
  u64 linear;
  u8 raw[10] = {};
  if (!mmu::operand_address(cpu, insn, insn.size + 2u, mmu::Access::Read, linear) ||
      !mmu::read_bytes(cpu, linear, raw, insn.size + 2u))
    return false;
  out.offset = load_le<u64>(raw) & low_mask(insn.size * 8);
  out.selector = load_le<u16>(raw + insn.size);
  return true;
}

bool push_sized(Cpu& cpu, unsigned size, u64 value) {
  if (size == 8) return push_value<u64>(cpu, value);
  return size == 4 ? push_value<u32>(cpu, static_cast<u32>(value))
                   : push_value<u16>(cpu, static_cast<u16>(value));
}

Step far_real(Cpu& cpu, const Insn& insn, const FarPointer& to, bool is_call) {
  const TransferBackup before(cpu);
  if (is_call && (!push_sized(cpu, insn.size, cpu.state.segments[kCs].selector) ||
                  !push_sized(cpu, insn.size, next_rip(cpu, insn)))) {
    before.restore(cpu);
    return Step::Fault;
  }
  if (to.offset > cpu.state.segments[kCs].limit) {
    before.restore(cpu);
    return refuse(cpu, kGeneralProtection, 0);
  }
  load_segment_real(cpu, kCs, to.selector);
  cpu.state.rip = to.offset;
  update_mode(cpu);
  return Step::Branch;
}

// Checks a code segment as the target of a far transfer at the present level.
bool code_target_ok(Cpu& cpu, u16 selector, const Descriptor& d) {
  const u8 cpl = cpu.mode.cpl;
  const bool level_ok = d.is_conforming() ? d.dpl() <= cpl : rpl(selector) <= cpl && d.dpl() == cpl;
  const bool l_ok = !(cpu.mode.long_mode && d.long_code() && d.db());
  if (!level_ok || !l_ok) return cpu.fault = fault(kGeneralProtection, selector & ~3u), false;
  if (!d.present()) return cpu.fault = fault(kSegmentNotPresent, selector & ~3u), false;
  return true;
}

Step far_code(Cpu& cpu, const Insn& insn, const FarPointer& to, DescriptorRef& ref, bool is_call) {
  if (!code_target_ok(cpu, to.selector, ref.descriptor) || !set_accessed(cpu, ref)) return Step::Fault;
  const TransferBackup before(cpu);
  const u64 return_rip = next_rip(cpu, insn);
  if (is_call && (!push_sized(cpu, insn.size, cpu.state.segments[kCs].selector) ||
                  !push_sized(cpu, insn.size, return_rip))) {
    before.restore(cpu);
    return Step::Fault;
  }
  set_code_segment(cpu, to.selector, ref.descriptor, cpu.mode.cpl);
  if (branch_to(cpu, to.offset)) return Step::Branch;
  before.restore(cpu);
  return refuse(cpu, kGeneralProtection, 0);
}

u64 tss_stack(Cpu& cpu, u8 level, u16& ss, bool& ok) {
  const Segment& tr = cpu.state.tr;
  const u32 code = tr.selector & ~3u;
  u64 sp = 0;
  ss = level;
  const bool wide = cpu.mode.long_mode, tss32 = tr.type & 8;
  const u32 at = wide ? 4 + level * 8u : tss32 ? 4 + level * 8u : 2 + level * 4u;
  const unsigned size = wide ? 8 : tss32 ? 4 : 2;
  ok = at + size + (wide ? 0 : 1) <= tr.limit;
  if (!ok) {
    cpu.fault = fault(kInvalidTss, code);
    return 0;
  }
  ok = mmu::read_system(cpu, tr.base + at, &sp, size) &&
       (wide || mmu::read_system(cpu, tr.base + at + size, &ss, 2));
  return sp;
}

bool load_gate_stack(Cpu& cpu, u16 ss, u8 level) {
  if (is_null(ss)) return cpu.fault = fault(kInvalidTss, 0), false;
  DescriptorRef ref;
  if (!fetch_descriptor(cpu, ss, kInvalidTss, ref)) return false;
  const Descriptor& d = ref.descriptor;
  if (rpl(ss) != level || d.dpl() != level || !d.is_writable_data())
    return cpu.fault = fault(kInvalidTss, ss & ~3u), false;
  if (!d.present()) return cpu.fault = fault(kStackFault, ss & ~3u), false;
  if (!set_accessed(cpu, ref)) return false;
  cpu.state.segments[kSs] = ref.descriptor.segment(ss);
  return true;
}

// CALL through a gate to an inner level: new stack, old SS:rSP and parameters copied to it.
bool gate_to_inner(Cpu& cpu, const Insn& insn, const Descriptor& gate, DescriptorRef& code, unsigned width) {
  const u8 level = code.descriptor.dpl();
  const u64 return_rip = next_rip(cpu, insn);
  const u16 old_cs = cpu.state.segments[kCs].selector, old_ss = cpu.state.segments[kSs].selector;
  const u64 old_sp = cpu.state.gpr[kRsp];
  const unsigned count = cpu.mode.long_mode ? 0 : gate.gate_parameters() & 31;
  u64 parameters[31];
  for (unsigned i = 0; i < count; ++i) {
    u16 v16 = 0;
    u32 v32 = 0;
    if (width == 4 ? !peek_value<u32>(cpu, v32, i) : !peek_value<u16>(cpu, v16, i)) return false;
    parameters[i] = width == 4 ? v32 : v16;
  }
  u16 ss;
  bool ok;
  const u64 sp = tss_stack(cpu, level, ss, ok);
  if (!ok) return false;
  if (cpu.mode.long_mode)
    cpu.state.segments[kSs] = {.selector = level, .type = 0, .s = true, .dpl = level, .present = false};
  else if (!load_gate_stack(cpu, ss, level)) return false;
  set_code_segment(cpu, gate.gate_selector(), code.descriptor, level);
  cpu.state.gpr[kRsp] = cpu.mode.stack_size == 2 ? (old_sp & ~u64{0xffff}) | (sp & 0xffff) : sp;
  if (!push_sized(cpu, width, old_ss) || !push_sized(cpu, width, old_sp)) return false;
  for (unsigned i = count; i-- > 0;)
    if (!push_sized(cpu, width, parameters[i])) return false;
  return push_sized(cpu, width, old_cs) && push_sized(cpu, width, return_rip);
}

Step far_gate(Cpu& cpu, const Insn& insn, DescriptorRef& gate_ref, u16 gate_selector, bool is_call) {
  if (cpu.mode.long_mode && !fetch_high_half(cpu, gate_selector, kGeneralProtection, gate_ref))
    return Step::Fault;
  const Descriptor& gate = gate_ref.descriptor;
  const unsigned width = cpu.mode.long_mode ? 8 : gate.type() & 8 ? 4 : 2;
  const u64 offset = width == 8   ? gate.gate_offset64()
                     : width == 4 ? gate.gate_offset32()
                                  : gate.gate_offset16();
  const u16 selector = gate.gate_selector();
  if (is_null(selector)) return refuse(cpu, kGeneralProtection, 0);
  DescriptorRef code;
  if (!fetch_descriptor(cpu, selector, kGeneralProtection, code)) return Step::Fault;
  const Descriptor& d = code.descriptor;
  const u8 cpl = cpu.mode.cpl;
  const bool jump_level_ok = is_call || d.is_conforming() || d.dpl() == cpl;
  if (!d.is_code() || d.dpl() > cpl || !jump_level_ok || (cpu.mode.long_mode && (!d.long_code() || d.db())))
    return refuse(cpu, kGeneralProtection, selector & ~3u);
  if (!d.present()) return refuse(cpu, kSegmentNotPresent, selector & ~3u);
  if (!set_accessed(cpu, code)) return Step::Fault;

  const TransferBackup before(cpu);
  const u64 return_rip = next_rip(cpu, insn);
  const u16 old_cs = cpu.state.segments[kCs].selector;
  bool ok = true;
  if (is_call && !d.is_conforming() && d.dpl() < cpl) ok = gate_to_inner(cpu, insn, gate, code, width);
  else {
    if (is_call) ok = push_sized(cpu, width, old_cs) && push_sized(cpu, width, return_rip);
    if (ok) set_code_segment(cpu, selector, d, cpl);
  }
  if (ok && branch_to(cpu, offset)) return Step::Branch;
  const GuestFault f = cpu.fault;
  before.restore(cpu);
  return raise(cpu, f);
}

Step far_transfer(Cpu& cpu, const Insn& insn, bool is_call) {
  FarPointer to;
  if (!read_far_pointer(cpu, insn, to)) return Step::Fault;
  if (!cpu.mode.protected_mode) return far_real(cpu, insn, to, is_call);
  if (is_null(to.selector)) return refuse(cpu, kGeneralProtection, 0);
  DescriptorRef ref;
  if (!fetch_descriptor(cpu, to.selector, kGeneralProtection, ref)) return Step::Fault;
  const Descriptor& d = ref.descriptor;
  const u32 code = to.selector & ~3u;
  if (d.is_code()) return far_code(cpu, insn, to, ref, is_call);
  if (d.is_code_or_data() || d.dpl() < cpu.mode.cpl || d.dpl() < rpl(to.selector))
    return refuse(cpu, kGeneralProtection, code);
  const u8 type = d.type();
  const bool gate = type == kCallGate32 || (type == kCallGate16 && !cpu.mode.long_mode);
  const bool task =
      !cpu.mode.long_mode && (type == kTaskGate || type == kTss16Available || type == kTss32Available);
  if (!gate && !task) return refuse(cpu, kGeneralProtection, code);
  if (!d.present()) return refuse(cpu, kSegmentNotPresent, code);
  if (gate) return far_gate(cpu, insn, ref, to.selector, is_call);
  const u16 tss = type == kTaskGate ? d.gate_selector() : to.selector;
  const TaskSwitch how = is_call ? TaskSwitch::Call : TaskSwitch::Jump;
  return switch_task(cpu, tss, how, next_rip(cpu, insn)) ? Step::Branch : Step::Fault;
}

}  // namespace

Step jmp_far(Cpu& cpu, const Insn& insn) { return far_transfer(cpu, insn, false); }
Step call_far(Cpu& cpu, const Insn& insn) { return far_transfer(cpu, insn, true); }

}  // namespace tandem::semantics
