#include "core/cpu/cpu.h"

namespace tandem::cpu {

namespace {

Segment real_mode_segment(u16 selector, u8 type) {
  Segment s;
  s.selector = selector;
  s.base = u64{selector} << 4;
  s.limit = 0xffff;
  s.type = type;
  s.s = true;
  s.present = true;
  return s;
}

mmu::Privilege data_privilege(const Cpu& cpu) {
  if (cpu.mode.cpl == 3) return mmu::Privilege::User;
  if ((cpu.state.cr4 & kCr4Smap) && !(cpu.state.rflags & kAc)) return mmu::Privilege::SupervisorSmap;
  return mmu::Privilege::Supervisor;
}

}  // namespace

CpuState reset_state(bool bsp, u32 apic_id) {
  CpuState s;
  for (Segment& segment : s.segments) segment = real_mode_segment(0, 3);
  s.segments[kCs] = real_mode_segment(0xf000, 0xb);
  s.segments[kCs].base = 0xffff0000;
  s.ldtr = {.type = 2, .present = true, .limit = 0xffff};
  s.tr = {.type = 0xb, .present = true, .limit = 0xffff};
  s.gdtr.limit = s.idtr.limit = 0xffff;
  s.gpr[kRdx] = 0x00000f00;
  s.msr.apic_base = 0xfee00000 | (1u << 11) | (bsp ? 1u << 8 : 0);
  s.lapic.id = apic_id;
  s.activity = bsp ? Activity::Running : Activity::WaitForSipi;
  return s;
}

void apply_init(CpuState& state) {
  CpuState fresh = reset_state(state.msr.apic_base & (1u << 8), state.lapic.id);
  fresh.msr = state.msr;
  fresh.vector = state.vector;
  fresh.xcr0 = state.xcr0;
  fresh.lapic = state.lapic;
  fresh.tsc_offset = state.tsc_offset;
  fresh.cr0 = (fresh.cr0 & ~(kCr0Cd | kCr0Nw)) | (state.cr0 & (kCr0Cd | kCr0Nw));
  fresh.activity = Activity::WaitForSipi;
  state = fresh;
}

void update_mode(Cpu& cpu) {
  const CpuState& s = cpu.state;
  Mode m;
  m.vm86 = s.rflags & kVm;
  m.protected_mode = (s.cr0 & kCr0Pe) && !m.vm86;
  m.long_mode = s.efer & kEferLma;
  m.cpl = m.vm86 ? 3 : m.protected_mode ? s.segments[kSs].dpl : 0;
  if (m.long_mode && s.segments[kCs].l) {
    m.code_size = m.stack_size = 8;
  } else {
    m.code_size = s.segments[kCs].db ? 4 : 2;
    m.stack_size = s.segments[kSs].db ? 4 : 2;
  }
  cpu.mode = m;
  cpu.privilege = data_privilege(cpu);
  cpu.alignment_checks = m.cpl == 3 && (s.cr0 & kCr0Am) && (s.rflags & kAc);
  cpu.bank = cpu.alignment_checks ? &cpu.tlb.empty : &cpu.tlb.banks[static_cast<unsigned>(cpu.privilege)];
}

}  // namespace tandem::cpu
