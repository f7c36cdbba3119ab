#include "hwassist/kvm/registers.h"

#include <algorithm>
#include <array>

namespace tandem::hwassist::kvm {

using namespace cpu;

namespace {

// The order of kvm_regs.
constexpr std::array<__u64 kvm_regs::*, 16> kGprs = {
    &kvm_regs::rax, &kvm_regs::rcx, &kvm_regs::rdx, &kvm_regs::rbx, &kvm_regs::rsp, &kvm_regs::rbp,
    &kvm_regs::rsi, &kvm_regs::rdi, &kvm_regs::r8,  &kvm_regs::r9,  &kvm_regs::r10, &kvm_regs::r11,
    &kvm_regs::r12, &kvm_regs::r13, &kvm_regs::r14, &kvm_regs::r15};
constexpr std::array<kvm_segment kvm_sregs::*, kSegmentCount> kSegments = {
    &kvm_sregs::es, &kvm_sregs::cs, &kvm_sregs::ss, &kvm_sregs::ds, &kvm_sregs::fs, &kvm_sregs::gs};

kvm_segment to_segment(const Segment& s) {
  kvm_segment k{};
  k.base = s.base;
  k.limit = s.limit;
  k.selector = s.selector;
  k.type = s.type;
  k.present = s.present;
  k.dpl = s.dpl;
  k.db = s.db;
  k.s = s.s;
  k.l = s.l;
  k.g = s.g;
  k.avl = s.avl;
  k.unusable = !s.present;
  return k;
}

Segment from_segment(const kvm_segment& k) {
  Segment s;
  s.base = k.base;
  s.limit = k.limit;
  s.selector = k.selector;
  s.type = k.type;
  s.present = k.present && !k.unusable;
  s.dpl = k.dpl;
  s.db = k.db;
  s.s = k.s;
  s.l = k.l;
  s.g = k.g;
  s.avl = k.avl;
  return s;
}

kvm_dtable to_table(const DescriptorTable& t) {
  kvm_dtable k{};
  k.base = t.base;
  k.limit = t.limit;
  return k;
}

// MSRs by index, with the place of each in CpuState.
template <class State, class F>
void for_each_msr(State& s, F each) {
  auto& m = s.msr;
  each(0xc0000081u, m.star);
  each(0xc0000082u, m.lstar);
  each(0xc0000083u, m.cstar);
  each(0xc0000084u, m.sfmask);
  each(0xc0000102u, m.kernel_gs_base);
  each(0xc0000103u, m.tsc_aux);
  each(0x174u, m.sysenter_cs);
  each(0x175u, m.sysenter_esp);
  each(0x176u, m.sysenter_eip);
  each(0x277u, m.pat);
  each(0x1a0u, m.misc_enable);
  constexpr u32 kFixed[11] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
  for (unsigned i = 0; i < 11; ++i) each(kFixed[i], m.mtrr_fixed[i]);
  for (unsigned i = 0; i < 8; ++i) {
    each(0x200u + 2 * i, m.mtrr_phys_base[i]);
    each(0x201u + 2 * i, m.mtrr_phys_mask[i]);
  }
  each(0x2ffu, m.mtrr_def_type);
}

}  // namespace

kvm_regs to_regs(const CpuState& state) {
  kvm_regs r{};
  for (unsigned i = 0; i < 16; ++i) r.*kGprs[i] = state.gpr[i];
  r.rip = state.rip;
  r.rflags = state.rflags;
  return r;
}

void from_regs(const kvm_regs& r, CpuState& state) {
  for (unsigned i = 0; i < 16; ++i) state.gpr[i] = r.*kGprs[i];
  state.rip = r.rip;
  state.rflags = r.rflags;
}

kvm_sregs to_sregs(const CpuState& state, u8 cr8) {
  kvm_sregs s{};
  for (unsigned i = 0; i < kSegmentCount; ++i) s.*kSegments[i] = to_segment(state.segments[i]);
  s.tr = to_segment(state.tr);
  s.ldt = to_segment(state.ldtr);
  s.gdt = to_table(state.gdtr);
  s.idt = to_table(state.idtr);
  s.cr0 = state.cr0;
  s.cr2 = state.cr2;
  s.cr3 = state.cr3;
  s.cr4 = state.cr4;
  s.cr8 = cr8;
  s.efer = state.efer;
  s.apic_base = state.msr.apic_base;
  return s;
}

void from_sregs(const kvm_sregs& s, CpuState& state) {
  for (unsigned i = 0; i < kSegmentCount; ++i) state.segments[i] = from_segment(s.*kSegments[i]);
  state.tr = from_segment(s.tr);
  state.ldtr = from_segment(s.ldt);
  state.gdtr = {s.gdt.base, s.gdt.limit};
  state.idtr = {s.idt.base, s.idt.limit};
  state.cr0 = s.cr0;
  state.cr2 = s.cr2;
  state.cr3 = s.cr3;
  state.cr4 = s.cr4;
  state.efer = s.efer;
}

kvm_debugregs to_debugregs(const CpuState& state) {
  kvm_debugregs d{};
  for (unsigned i = 0; i < 4; ++i) d.db[i] = state.dr[i];
  d.dr6 = state.dr[6];
  d.dr7 = state.dr[7];
  return d;
}

void from_debugregs(const kvm_debugregs& d, CpuState& state) {
  for (unsigned i = 0; i < 4; ++i) state.dr[i] = d.db[i];
  state.dr[6] = d.dr6;
  state.dr[7] = d.dr7;
}

kvm_vcpu_events to_events(const CpuState& state) {
  kvm_vcpu_events e{};
  const PendingEvents& p = state.events;
  e.interrupt.shadow = static_cast<u8>((p.interrupt_shadow_sti ? KVM_X86_SHADOW_INT_STI : 0) |
                                       (p.interrupt_shadow_movss ? KVM_X86_SHADOW_INT_MOV_SS : 0));
  e.interrupt.injected = p.interrupt_accepted;
  e.interrupt.nr = p.accepted_vector;
  e.nmi.masked = p.nmi_blocked;
  e.flags = KVM_VCPUEVENT_VALID_SHADOW;
  return e;
}

void from_events(const kvm_vcpu_events& e, CpuState& state) {
  PendingEvents& p = state.events;
  p.interrupt_shadow_sti = e.interrupt.shadow & KVM_X86_SHADOW_INT_STI;
  p.interrupt_shadow_movss = e.interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS;
  p.nmi_blocked = e.nmi.masked;
  p.nmi_pending |= e.nmi.pending || e.nmi.injected;
  // INT n is executed again: its instruction has not ended.
  p.interrupt_accepted = e.interrupt.injected && !e.interrupt.soft;
  p.accepted_vector = e.interrupt.nr;
}

MsrList to_msrs(const CpuState& state) {
  MsrList list;
  for_each_msr(state, [&](u32 index, u64 value) { list.entries[list.count++] = {index, 0, value}; });
  return list;
}

void from_msrs(const MsrList& list, CpuState& state) {
  const std::span entries(list.entries, list.count);
  for_each_msr(state, [&](u32 index, u64& value) {
    const auto found = std::ranges::find(entries, index, &kvm_msr_entry::index);
    if (found != entries.end()) value = found->data;
  });
}

}  // namespace tandem::hwassist::kvm
