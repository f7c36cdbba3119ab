// CR0..CR8, DR0..DR7 and the instructions that change modes, mappings and interrupt state.
#include "core/cpu/cpuid_models.h"
#include "core/semantics/stack.h"
#include "core/semantics/system.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

Step gp0(Cpu& cpu) { return raise(cpu, fault(kGeneralProtection, 0)); }
Step ud(Cpu& cpu) { return raise(cpu, fault(kInvalidOpcode)); }
bool refuse(Cpu& cpu) { return cpu.fault = fault(kGeneralProtection, 0), false; }

// The PAE page-directory-pointer registers are loaded with CR3 and with changes of paging (SDM vol.
// 3, 4.4.1).
bool load_pdptes(Cpu& cpu, u64 cr3) {
  u64 entries[4];
  for (unsigned i = 0; i < 4; ++i) {
    entries[i] = cpu.memory->read_value<u64>(Gpa{(cr3 & 0xffffffe0) + 8 * i});
    const u64 reserved = 0x1e6 | ~(cpu.physical_mask | kPageMask);
    if ((entries[i] & 1) && (entries[i] & reserved)) return refuse(cpu);
  }
  for (unsigned i = 0; i < 4; ++i) cpu.state.pdpte[i] = entries[i];
  return true;
}

bool pae_paging(u64 cr0, u64 cr4, u64 efer) {
  return (cr0 & kCr0Pg) && (cr4 & kCr4Pae) && !(efer & kEferLma);
}

}  // namespace

bool set_cr0(Cpu& cpu, u64 value) {
  CpuState& s = cpu.state;
  constexpr u64 kKnown =
      kCr0Pe | kCr0Mp | kCr0Em | kCr0Ts | kCr0Et | kCr0Ne | kCr0Wp | kCr0Am | kCr0Nw | kCr0Cd | kCr0Pg;
  if (value >> 32) return refuse(cpu);
  if ((value & kCr0Pg) && !(value & kCr0Pe)) return refuse(cpu);
  if ((value & kCr0Nw) && !(value & kCr0Cd)) return refuse(cpu);
  value = (value & kKnown) | kCr0Et;
  const bool turns_on = (value & kCr0Pg) && !(s.cr0 & kCr0Pg),
             turns_off = !(value & kCr0Pg) && (s.cr0 & kCr0Pg);
  u64 efer = s.efer;
  if (turns_on && (efer & kEferLme)) {
    if (!(s.cr4 & kCr4Pae) || s.segments[kCs].l) return refuse(cpu);
    efer |= kEferLma;
  }
  if (turns_off) {
    if (cpu.mode.code_size == 8 || (s.cr4 & kCr4Pcide)) return refuse(cpu);
    efer &= ~kEferLma;
  }
  const u64 paging_bits = kCr0Pg | kCr0Cd | kCr0Nw;
  if (((value ^ s.cr0) & paging_bits) && pae_paging(value, s.cr4, efer) && !load_pdptes(cpu, s.cr3))
    return false;
  const u64 changed = value ^ s.cr0;
  s.cr0 = value;
  s.efer = efer;
  // PE alone, which firmware changes all the time, leads no address elsewhere: paging is off on both sides.
  if (changed & (kCr0Pg | kCr0Wp)) mmu::flush_all(cpu);
  update_mode(cpu);
  return true;
}

bool set_cr3(Cpu& cpu, u64 value) {
  CpuState& s = cpu.state;
  const bool pcid = s.cr4 & kCr4Pcide;
  if (cpu.mode.long_mode && (value & (pcid ? ~(u64{1} << 63) : ~u64{0}) & ~(cpu.physical_mask | kPageMask)))
    return refuse(cpu);
  if (pae_paging(s.cr0, s.cr4, s.efer) && !load_pdptes(cpu, value)) return false;
  s.cr3 = value & ~(u64{1} << 63);
  mmu::flush_local(cpu);
  return true;
}

bool set_cr4(Cpu& cpu, u64 value) {
  CpuState& s = cpu.state;
  if (value & ~cr4_mask(*cpu.model)) return refuse(cpu);
  if (cpu.mode.long_mode && !(value & kCr4Pae)) return refuse(cpu);
  if ((value & kCr4Pcide) && !(s.cr4 & kCr4Pcide) && (!cpu.mode.long_mode || (s.cr3 & 0xfff)))
    return refuse(cpu);
  constexpr u64 kPaging = kCr4Pse | kCr4Pae | kCr4Pge | kCr4Smep | kCr4Smap | kCr4Pcide;
  const u64 changed = value ^ s.cr4;
  if ((changed & (kCr4Pse | kCr4Pae | kCr4Pge | kCr4Smep)) && pae_paging(s.cr0, value, s.efer) &&
      !load_pdptes(cpu, s.cr3))
    return false;
  s.cr4 = value;
  if (changed & kPaging) mmu::flush_all(cpu);
  update_mode(cpu);
  return true;
}

Step mov_from_control(Cpu& cpu, const Insn& insn) {
  if (cpu.mode.cpl != 0) return gp0(cpu);
  const CpuState& s = cpu.state;
  u64 v;
  switch (insn.reg[1]) {
    case 0: v = s.cr0; break;
    case 2: v = s.cr2; break;
    case 3: v = s.cr3; break;
    case 4: v = s.cr4; break;
    case 8: v = cpu.sink->read_cr8(cpu.id); break;
    default: return ud(cpu);
  }
  set_reg<u64>(cpu, insn.reg[0], cpu.mode.code_size == 8 ? v : static_cast<u32>(v));
  return Step::EndBlock;
}

Step mov_to_control(Cpu& cpu, const Insn& insn) {
  if (cpu.mode.cpl != 0) return gp0(cpu);
  u64 v = get_reg<u64>(cpu, insn.reg[1]);
  if (cpu.mode.code_size != 8) v = static_cast<u32>(v);
  bool ok = true;
  switch (insn.reg[0]) {
    case 0: ok = set_cr0(cpu, v); break;
    case 2: cpu.state.cr2 = v; break;
    case 3: ok = set_cr3(cpu, v); break;
    case 4: ok = set_cr4(cpu, v); break;
    case 8:
      if (v > 15) return gp0(cpu);
      cpu.sink->write_cr8(cpu.id, static_cast<u8>(v));
      break;
    default: return ud(cpu);
  }
  return ok ? Step::EndBlock : Step::Fault;
}

namespace {

// DR4 and DR5 are DR6 and DR7 unless CR4.DE; general detect (SDM vol. 3, 17.2). True: go on.
bool debug_register_allowed(Cpu& cpu, u8& n) {
  if (cpu.mode.cpl != 0) return refuse(cpu);
  if (n == 4 || n == 5) {
    if (cpu.state.cr4 & kCr4De) return cpu.fault = fault(kInvalidOpcode), false;
    n += 2;
  }
  if (n > 7) return cpu.fault = fault(kInvalidOpcode), false;
  if (cpu.state.dr[7] & (u64{1} << 13)) {
    cpu.fault = {kDebug, false, 0, u64{1} << 13};
    return false;
  }
  return true;
}

}  // namespace

Step mov_from_debug(Cpu& cpu, const Insn& insn) {
  u8 n = insn.reg[1];
  if (!debug_register_allowed(cpu, n)) return Step::Fault;
  const u64 v = cpu.state.dr[n];
  set_reg<u64>(cpu, insn.reg[0], cpu.mode.code_size == 8 ? v : static_cast<u32>(v));
  return Step::EndBlock;
}

Step mov_to_debug(Cpu& cpu, const Insn& insn) {
  u8 n = insn.reg[0];
  if (!debug_register_allowed(cpu, n)) return Step::Fault;
  u64 v = get_reg<u64>(cpu, insn.reg[1]);
  if (cpu.mode.code_size != 8) v = static_cast<u32>(v);
  if (n >= 6 && v >> 32) return gp0(cpu);
  if (n == 6) v = (v & 0xe00f) | 0xffff0ff0;
  if (n == 7) v = (v & 0xffff2bff) | 0x400;
  cpu.state.dr[n] = v;
  mmu::flush_all(cpu);  // pages with data breakpoints stay out of the TLB
  return Step::EndBlock;
}

Step lmsw(Cpu& cpu, const Insn& insn) {
  if (cpu.mode.cpl != 0) return gp0(cpu);
  u16 v;
  if (!Any<0>::read<u16>(cpu, insn, v)) return Step::Fault;
  const u64 pe = (v | cpu.state.cr0) & kCr0Pe;  // can set PE, never clear it
  return set_cr0(cpu, (cpu.state.cr0 & ~u64{15}) | (v & 14) | pe) ? Step::EndBlock : Step::Fault;
}

Step smsw(Cpu& cpu, const Insn& insn) {
  if (cpu.mode.cpl > 0 && (cpu.state.cr4 & kCr4Umip)) return gp0(cpu);
  if (insn.kind[0] == OperandKind::Mem)
    return write_memory_slow<u16>(cpu, insn, static_cast<u16>(cpu.state.cr0)) ? Step::Next : Step::Fault;
  if (insn.size == 2) set_reg<u16>(cpu, insn.reg[0], static_cast<u16>(cpu.state.cr0));
  else set_reg<u64>(cpu, insn.reg[0], cpu.state.cr0);
  return Step::Next;
}

Step clts(Cpu& cpu, const Insn&) {
  if (cpu.mode.cpl != 0) return gp0(cpu);
  cpu.state.cr0 &= ~kCr0Ts;
  return Step::EndBlock;
}

Step invd(Cpu& cpu, const Insn&) { return cpu.mode.cpl != 0 ? gp0(cpu) : Step::EndBlock; }

Step invlpg(Cpu& cpu, const Insn& insn) {
  if (cpu.mode.cpl != 0) return gp0(cpu);
  const u64 offset = mmu::effective_address(cpu, insn);
  const bool based = cpu.mode.code_size != 8 || insn.segment >= kFs;
  const u64 linear = offset + (based ? cpu.state.segments[insn.segment].base : 0);
  mmu::flush_page(cpu, cpu.mode.long_mode ? linear : static_cast<u32>(linear));
  return Step::EndBlock;
}

Step invpcid(Cpu& cpu, const Insn& insn) {
  if (cpu.mode.cpl != 0) return gp0(cpu);
  u64 linear;
  u64 descriptor[2];
  if (!mmu::operand_address(cpu, insn, 16, mmu::Access::Read, linear) ||
      !mmu::read_bytes(cpu, linear, descriptor, 16))
    return Step::Fault;
  const u64 type = cpu.mode.code_size == 8 ? get_reg<u64>(cpu, insn.reg[0]) : get_reg<u32>(cpu, insn.reg[0]);
  if (type > 3 || (type < 2 && descriptor[0] >> 12)) return gp0(cpu);
  if (type < 2 && !(cpu.state.cr4 & kCr4Pcide) && descriptor[0] != 0) return gp0(cpu);
  if (type == 0 && sign_extend_from(descriptor[1], 48) != descriptor[1]) return gp0(cpu);
  if (type == 0) mmu::flush_page(cpu, descriptor[1]);
  else if (type == 2) mmu::flush_all(cpu);
  else mmu::flush_local(cpu);
  return Step::EndBlock;
}

Step cli(Cpu& cpu, const Insn&) {
  if (cpu.state.cr0 & kCr0Pe && cpu.mode.cpl > bits(cpu.state.rflags, 13, 12)) return gp0(cpu);
  cpu.state.rflags &= ~kIf;
  return Step::EndBlock;
}
Step sti(Cpu& cpu, const Insn&) {
  if (cpu.state.cr0 & kCr0Pe && cpu.mode.cpl > bits(cpu.state.rflags, 13, 12)) return gp0(cpu);
  if (!(cpu.state.rflags & kIf)) cpu.state.events.interrupt_shadow_sti = true;
  cpu.state.rflags |= kIf;
  return Step::EndBlock;
}
Step clac(Cpu& cpu, const Insn&) {
  if (cpu.mode.cpl != 0 || !(cpu.state.cr0 & kCr0Pe)) return ud(cpu);
  cpu.state.rflags &= ~kAc;
  update_mode(cpu);
  return Step::Next;
}
Step stac(Cpu& cpu, const Insn&) {
  if (cpu.mode.cpl != 0 || !(cpu.state.cr0 & kCr0Pe)) return ud(cpu);
  cpu.state.rflags |= kAc;
  update_mode(cpu);
  return Step::Next;
}

Step pushf(Cpu& cpu, const Insn& insn) {
  if (cpu.mode.vm86 && bits(cpu.state.rflags, 13, 12) < 3) return gp0(cpu);
  const u64 f = cpu.rflags() & ~(kVm | kRf);
  const bool ok = insn.size == 2   ? push_value<u16>(cpu, static_cast<u16>(f))
                  : insn.size == 4 ? push_value<u32>(cpu, static_cast<u32>(f))
                                   : push_value<u64>(cpu, f);
  return ok ? Step::Next : Step::Fault;
}

Step popf(Cpu& cpu, const Insn& insn) {
  const u8 iopl = static_cast<u8>(bits(cpu.state.rflags, 13, 12));
  if (cpu.mode.vm86 && iopl < 3) return gp0(cpu);
  u64 f = 0;
  u32 f32 = 0;
  u16 f16 = 0;
  const bool ok = insn.size == 2   ? peek_value<u16>(cpu, f16)
                  : insn.size == 4 ? peek_value<u32>(cpu, f32)
                                   : peek_value<u64>(cpu, f);
  if (!ok) return Step::Fault;
  f |= f16 | f32;
  u64 mask = kArithmeticFlags | kTf | kDf | kNt;
  if (insn.size != 2) mask |= kAc | kId;
  const bool real = !(cpu.state.cr0 & kCr0Pe);
  if (real || (!cpu.mode.vm86 && cpu.mode.cpl == 0)) mask |= kIopl;
  if (real || cpu.mode.cpl <= iopl) mask |= kIf;
  drop(cpu, insn.size);
  cpu.set_rflags(((cpu.rflags() & ~mask) | (f & mask)) & ~kRf);
  update_mode(cpu);
  return Step::EndBlock;
}

Step hlt(Cpu& cpu, const Insn&) {
  if (cpu.mode.cpl != 0) return gp0(cpu);
  cpu.state.activity = Activity::Halted;
  return Step::EndBlock;
}

// MONITOR never sees a store: MWAIT is a HLT that comes back at once, which the architecture allows.
Step monitor(Cpu& cpu, const Insn& insn) {
  if (cpu.mode.cpl != 0) return ud(cpu);
  if (get_gpr<u32>(cpu, kRcx) != 0) return gp0(cpu);
  u64 offset = cpu.state.gpr[kRax];
  if (insn.address_size != 8) offset &= low_mask(insn.address_size * 8);
  u64 linear;
  u8 ignored;
  if (!mmu::linearize(cpu, insn.segment, offset, 1, mmu::Access::Read, linear) ||
      !mmu::read<u8>(cpu, linear, ignored))
    return Step::Fault;
  cpu.monitor_armed = true;
  return Step::Next;
}
Step mwait(Cpu& cpu, const Insn&) {
  if (cpu.mode.cpl != 0) return ud(cpu);
  if (get_gpr<u32>(cpu, kRcx) & ~1u) return gp0(cpu);
  cpu.monitor_armed = false;
  return Step::EndBlock;
}

Step swapgs(Cpu& cpu, const Insn&) {
  if (cpu.mode.code_size != 8) return ud(cpu);
  if (cpu.mode.cpl != 0) return gp0(cpu);
  std::swap(cpu.state.segments[kGs].base, cpu.state.msr.kernel_gs_base);
  return Step::Next;
}

namespace {

Step read_base(Cpu& cpu, const Insn& insn, unsigned segment) {
  if (cpu.mode.code_size != 8 || !(cpu.state.cr4 & kCr4Fsgsbase)) return ud(cpu);
  const u64 base = cpu.state.segments[segment].base;
  set_reg<u64>(cpu, insn.reg[0], insn.size == 8 ? base : static_cast<u32>(base));
  return Step::Next;
}
Step write_base(Cpu& cpu, const Insn& insn, unsigned segment) {
  if (cpu.mode.code_size != 8 || !(cpu.state.cr4 & kCr4Fsgsbase)) return ud(cpu);
  const u64 v = insn.size == 8 ? get_reg<u64>(cpu, insn.reg[0]) : get_reg<u32>(cpu, insn.reg[0]);
  if (sign_extend_from(v, 48) != v) return gp0(cpu);
  cpu.state.segments[segment].base = v;
  return Step::Next;
}

}  // namespace

Step rdfsbase(Cpu& cpu, const Insn& insn) { return read_base(cpu, insn, kFs); }
Step rdgsbase(Cpu& cpu, const Insn& insn) { return read_base(cpu, insn, kGs); }
Step wrfsbase(Cpu& cpu, const Insn& insn) { return write_base(cpu, insn, kFs); }
Step wrgsbase(Cpu& cpu, const Insn& insn) { return write_base(cpu, insn, kGs); }

}  // namespace tandem::semantics
