// Segment registers and descriptor tables.
#include "core/semantics/descriptor.h"
#include "core/semantics/stack.h"
#include "core/semantics/system.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

Step gp0(Cpu& cpu) { return raise(cpu, fault(kGeneralProtection, 0)); }
Step ud(Cpu& cpu) { return raise(cpu, fault(kInvalidOpcode)); }

// MOV SS and POP SS hold off interrupts and debug traps for one instruction (SDM vol. 3, 6.8.3).
Step after_load(Cpu& cpu, unsigned name) {
  if (name == kSs) cpu.state.events.interrupt_shadow_movss = true;
  return Step::EndBlock;
}

// A 16-bit value to memory, or zero-extended to a register of the operand size.
Step store_selector(Cpu& cpu, const Insn& insn, u16 value) {
  bool ok = true;
  if (insn.kind[0] == OperandKind::Mem) ok = write_memory_slow<u16>(cpu, insn, value);
  else if (insn.size == 2) set_reg<u16>(cpu, insn.reg[0], value);
  else set_reg<u64>(cpu, insn.reg[0], value);
  return ok ? Step::Next : Step::Fault;
}

bool umip_refuses(const Cpu& cpu) { return cpu.mode.cpl > 0 && (cpu.state.cr4 & kCr4Umip); }

Step load_far_pointer(Cpu& cpu, const Insn& insn, unsigned name) {
  u64 linear;
  u8 raw[10] = {};
  if (!mmu::operand_address(cpu, insn, insn.size + 2u, mmu::Access::Read, linear) ||
      !mmu::read_bytes(cpu, linear, raw, insn.size + 2u))
    return Step::Fault;
  if (!load_segment(cpu, name, load_le<u16>(raw + insn.size))) return Step::Fault;
  switch (insn.size) {
    case 2: set_reg<u16>(cpu, insn.reg[0], load_le<u16>(raw)); break;
    case 4: set_reg<u32>(cpu, insn.reg[0], load_le<u32>(raw)); break;
    default: set_reg<u64>(cpu, insn.reg[0], load_le<u64>(raw));
  }
  return after_load(cpu, name);
}

}  // namespace

Step mov_from_segment(Cpu& cpu, const Insn& insn) {
  return store_selector(cpu, insn, cpu.state.segments[insn.reg[1]].selector);
}
Step mov_to_segment(Cpu& cpu, const Insn& insn) {
  if (insn.reg[0] == kCs) return ud(cpu);
  u16 selector;
  if (!Any<1>::read<u16>(cpu, insn, selector) || !load_segment(cpu, insn.reg[0], selector))
    return Step::Fault;
  return after_load(cpu, insn.reg[0]);
}
Step push_segment(Cpu& cpu, const Insn& insn) {
  const u16 selector = cpu.state.segments[insn.reg[0]].selector;
  bool ok;
  if (insn.size == 2) {
    ok = push_value<u16>(cpu, selector);
  } else if (insn.size == 8) {
    ok = push_value<u64>(cpu, selector);
  } else {
    // Only the low half of the slot is written, as CPUs do.
    const u64 sp = stack_pointer(cpu) - 4;
    ok = stack_write<u16>(cpu, sp, selector);
    if (ok) set_stack_pointer(cpu, sp);
  }
  return ok ? Step::Next : Step::Fault;
}
Step pop_segment(Cpu& cpu, const Insn& insn) {
  u16 selector;
  if (!stack_read<u16>(cpu, stack_pointer(cpu), selector)) return Step::Fault;
  const unsigned old_stack_size = cpu.mode.stack_size;
  const u64 sp = stack_pointer(cpu) + insn.size;
  if (!load_segment(cpu, insn.reg[0], selector)) return Step::Fault;
  u64& rsp = cpu.state.gpr[kRsp];
  rsp = old_stack_size == 2   ? (rsp & ~u64{0xffff}) | (sp & 0xffff)
        : old_stack_size == 4 ? static_cast<u32>(sp)
                              : sp;
  return after_load(cpu, insn.reg[0]);
}
Step lds(Cpu& cpu, const Insn& insn) { return load_far_pointer(cpu, insn, kDs); }
Step les(Cpu& cpu, const Insn& insn) { return load_far_pointer(cpu, insn, kEs); }
Step lfs(Cpu& cpu, const Insn& insn) { return load_far_pointer(cpu, insn, kFs); }
Step lgs(Cpu& cpu, const Insn& insn) { return load_far_pointer(cpu, insn, kGs); }
Step lss(Cpu& cpu, const Insn& insn) { return load_far_pointer(cpu, insn, kSs); }

namespace {

// The descriptor behind a selector if the present level may look at it. ok tells; false result: memory fault.
bool visible_descriptor(Cpu& cpu, u16 selector, Descriptor& d, bool& ok) {
  ok = false;
  if (is_null(selector)) return true;
  DescriptorRef ref;
  if (!fetch_descriptor(cpu, selector, kGeneralProtection, ref)) return cpu.fault.vector != kPageFault;
  d = ref.descriptor;
  const bool any_level = d.is_code() && d.is_conforming();
  ok = any_level || (d.dpl() >= cpu.mode.cpl && d.dpl() >= rpl(selector));
  return true;
}

void set_zf(Cpu& cpu, bool on) { cpu.flags.set_rflags((cpu.flags.rflags() & ~kZf) | (on ? kZf : 0)); }

template <class F>
Step verify(Cpu& cpu, const Insn& insn, F allowed) {
  if (!cpu.mode.protected_mode) return ud(cpu);
  u16 selector;
  Descriptor d;
  bool ok;
  if (!Any<0>::read<u16>(cpu, insn, selector) || !visible_descriptor(cpu, selector, d, ok))
    return Step::Fault;
  set_zf(cpu, ok && d.is_code_or_data() && allowed(d));
  return Step::Next;
}

void set_sized(Cpu& cpu, const Insn& insn, u64 value) {
  if (insn.size == 2) set_reg<u16>(cpu, insn.reg[0], static_cast<u16>(value));
  else set_reg<u64>(cpu, insn.reg[0], value);
}

// System descriptor types that LAR (and fewer for LSL) accept (SDM, LAR and LSL).
bool lar_type_ok(const Descriptor& d, bool long_mode) {
  const u16 legacy = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 9 | 1 << 11 | 1 << 12;
  const u16 wide = 1 << 2 | 1 << 9 | 1 << 11 | 1 << 12;
  return (long_mode ? wide : legacy) >> d.type() & 1;
}
bool lsl_type_ok(const Descriptor& d, bool long_mode) {
  const u16 legacy = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 9 | 1 << 11;
  const u16 wide = 1 << 2 | 1 << 9 | 1 << 11;
  return (long_mode ? wide : legacy) >> d.type() & 1;
}

}  // namespace

Step verr(Cpu& cpu, const Insn& insn) {
  return verify(cpu, insn, [](const Descriptor& d) { return d.is_readable(); });
}
Step verw(Cpu& cpu, const Insn& insn) {
  return verify(cpu, insn, [](const Descriptor& d) { return d.is_writable_data(); });
}
Step lar(Cpu& cpu, const Insn& insn) {
  if (!cpu.mode.protected_mode) return ud(cpu);
  u16 selector;
  Descriptor d;
  bool ok;
  if (!Any<1>::read<u16>(cpu, insn, selector) || !visible_descriptor(cpu, selector, d, ok))
    return Step::Fault;
  ok = ok && (d.is_code_or_data() || lar_type_ok(d, cpu.mode.long_mode));
  if (ok) set_sized(cpu, insn, (d.low >> 32) & 0x00ffff00);
  set_zf(cpu, ok);
  return Step::Next;
}
Step lsl(Cpu& cpu, const Insn& insn) {
  if (!cpu.mode.protected_mode) return ud(cpu);
  u16 selector;
  Descriptor d;
  bool ok;
  if (!Any<1>::read<u16>(cpu, insn, selector) || !visible_descriptor(cpu, selector, d, ok))
    return Step::Fault;
  ok = ok && (d.is_code_or_data() || lsl_type_ok(d, cpu.mode.long_mode));
  if (ok) set_sized(cpu, insn, d.segment(selector).limit);
  set_zf(cpu, ok);
  return Step::Next;
}
Step arpl(Cpu& cpu, const Insn& insn) {
  if (!cpu.mode.protected_mode) return ud(cpu);
  const u16 source = get_reg<u16>(cpu, insn.reg[1]);
  bool lower = false;
  const bool ok = Any<0>::update<u16>(cpu, insn, [&](u16 a) {
    lower = rpl(a) < rpl(source);
    return lower ? static_cast<u16>((a & ~3) | rpl(source)) : a;
  });
  if (!ok) return Step::Fault;
  set_zf(cpu, lower);
  return Step::Next;
}

namespace {

Step load_table(Cpu& cpu, const Insn& insn, DescriptorTable& table) {
  if (cpu.mode.cpl != 0) return gp0(cpu);
  const bool wide = cpu.mode.code_size == 8;
  const unsigned size = wide ? 10 : 6;
  u64 linear;
  u8 raw[10] = {};
  if (!mmu::operand_address(cpu, insn, size, mmu::Access::Read, linear) ||
      !mmu::read_bytes(cpu, linear, raw, size))
    return Step::Fault;
  u64 base = load_le<u64>(raw + 2);
  if (!wide) base = insn.size == 2 ? base & 0xffffff : static_cast<u32>(base);
  if (wide && sign_extend_from(base, 48) != base) return gp0(cpu);
  table = {base, load_le<u16>(raw)};
  return Step::EndBlock;
}

Step store_table(Cpu& cpu, const Insn& insn, const DescriptorTable& table) {
  if (umip_refuses(cpu)) return gp0(cpu);
  const unsigned size = cpu.mode.code_size == 8 ? 10 : 6;
  u8 raw[10];
  store_le<u16>(raw, table.limit);
  store_le<u64>(raw + 2, table.base);
  u64 linear;
  if (!mmu::operand_address(cpu, insn, size, mmu::Access::Write, linear) ||
      !mmu::write_bytes(cpu, linear, raw, size))
    return Step::Fault;
  return Step::Next;
}

}  // namespace

Step lgdt(Cpu& cpu, const Insn& insn) { return load_table(cpu, insn, cpu.state.gdtr); }
Step lidt(Cpu& cpu, const Insn& insn) { return load_table(cpu, insn, cpu.state.idtr); }
Step sgdt(Cpu& cpu, const Insn& insn) { return store_table(cpu, insn, cpu.state.gdtr); }
Step sidt(Cpu& cpu, const Insn& insn) { return store_table(cpu, insn, cpu.state.idtr); }

Step sldt(Cpu& cpu, const Insn& insn) {
  if (!cpu.mode.protected_mode) return ud(cpu);
  if (umip_refuses(cpu)) return gp0(cpu);
  return store_selector(cpu, insn, cpu.state.ldtr.selector);
}
Step str(Cpu& cpu, const Insn& insn) {
  if (!cpu.mode.protected_mode) return ud(cpu);
  if (umip_refuses(cpu)) return gp0(cpu);
  return store_selector(cpu, insn, cpu.state.tr.selector);
}

namespace {

// A system segment of the GDT for LLDT and LTR.
bool fetch_system_segment(Cpu& cpu, u16 selector, bool (*type_ok)(u8, bool), DescriptorRef& ref) {
  const u32 code = selector & ~3u;
  if (selector & 4) return cpu.fault = fault(kGeneralProtection, code), false;
  if (!fetch_descriptor(cpu, selector, kGeneralProtection, ref)) return false;
  const Descriptor& d = ref.descriptor;
  if (d.is_code_or_data() || !type_ok(d.type(), cpu.mode.long_mode))
    return cpu.fault = fault(kGeneralProtection, code), false;
  if (!d.present()) return cpu.fault = fault(kSegmentNotPresent, code), false;
  return !cpu.mode.long_mode || fetch_high_half(cpu, selector, kGeneralProtection, ref);
}

}  // namespace

Step lldt(Cpu& cpu, const Insn& insn) {
  if (!cpu.mode.protected_mode) return ud(cpu);
  if (cpu.mode.cpl != 0) return gp0(cpu);
  u16 selector;
  if (!Any<0>::read<u16>(cpu, insn, selector)) return Step::Fault;
  if (is_null(selector)) {
    cpu.state.ldtr = {.selector = selector, .type = kLdt};
    return Step::EndBlock;
  }
  DescriptorRef ref;
  if (!fetch_system_segment(cpu, selector, [](u8 type, bool) { return type == kLdt; }, ref))
    return Step::Fault;
  cpu.state.ldtr = ref.descriptor.segment(selector);
  return Step::EndBlock;
}
Step ltr(Cpu& cpu, const Insn& insn) {
  if (!cpu.mode.protected_mode) return ud(cpu);
  if (cpu.mode.cpl != 0) return gp0(cpu);
  u16 selector;
  if (!Any<0>::read<u16>(cpu, insn, selector)) return Step::Fault;
  if (is_null(selector)) return gp0(cpu);
  DescriptorRef ref;
  auto available = [](u8 type, bool wide) {
    return type == kTss32Available || (!wide && type == kTss16Available);
  };
  if (!fetch_system_segment(cpu, selector, available, ref) || !set_tss_busy(cpu, ref.address, true))
    return Step::Fault;
  cpu.state.tr = ref.descriptor.segment(selector);
  cpu.state.tr.type |= 2;
  return Step::EndBlock;
}

}  // namespace tandem::semantics
