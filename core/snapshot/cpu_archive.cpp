#include "core/snapshot/cpu_archive.h"

namespace tandem::snapshot {

namespace {

constexpr u32 kCpuVersion = 2;

void fields(auto& a, auto& s)
  requires requires { s.selector; }
{
  a(s.selector, s.type, s.s, s.dpl, s.present, s.avl, s.l, s.db, s.g, s.limit, s.base);
}

void fields(auto& a, auto& m)
  requires requires { m.sysenter_cs; }
{
  a(m.apic_base, m.tsc_adjust, m.star, m.lstar, m.cstar, m.sfmask, m.kernel_gs_base, m.sysenter_cs,
    m.sysenter_esp, m.sysenter_eip, m.tsc_aux, m.pat, m.misc_enable, m.debugctl, m.xss, m.spec_ctrl,
    m.feature_control, m.mcg_status, m.mcg_ctl, m.mtrr_def_type, m.mtrr_fixed, m.mtrr_phys_base,
    m.mtrr_phys_mask, m.smbase);
}

void fields(auto& a, auto& v)
  requires requires { v.zmm; }
{
  for (auto& z : v.zmm) a(z.bytes);
  auto& x = v.x87;
  a(v.k, v.mxcsr, x.fcw, x.fsw, x.ftw_abridged, x.fop, x.fip, x.fdp, x.st);
}

void fields(auto& a, auto& l)
  requires requires { l.lvt_lint0; }
{
  a(l.id, l.tpr, l.ldr, l.dfr, l.svr, l.isr, l.tmr, l.irr, l.esr, l.esr_pending, l.icr, l.lvt_cmci,
    l.lvt_timer, l.lvt_thermal, l.lvt_pmc, l.lvt_lint0, l.lvt_lint1, l.lvt_error, l.timer_initial,
    l.timer_divide, l.timer_started, l.tsc_deadline);
}

void fields(auto& a, auto& s)
  requires requires { s.gpr; }
{
  a(s.gpr, s.rip, s.rflags);
  for (auto& segment : s.segments) fields(a, segment);
  fields(a, s.ldtr);
  fields(a, s.tr);
  a(s.gdtr.base, s.gdtr.limit, s.idtr.base, s.idtr.limit);
  a(s.cr0, s.cr2, s.cr3, s.cr4, s.xcr0, s.efer, s.dr, s.pdpte, s.tsc_offset);
  fields(a, s.msr);
  fields(a, s.vector);
  auto& e = s.events;
  a(e.interrupt_shadow_sti, e.interrupt_shadow_movss, e.nmi_blocked, e.nmi_pending, e.smi_pending, e.in_smm,
    e.init_pending, e.startup_pending, e.startup_vector, e.interrupt_accepted, e.accepted_vector,
    e.debug_traps, s.activity);
  fields(a, s.lapic);
}

}  // namespace

void save_cpu(StateWriter& writer, std::string_view section, const cpu::CpuState& state) {
  writer.begin_section(section, kCpuVersion);
  fields(writer, state);
  writer.end_section();
}

Result<void> load_cpu(StateReader& reader, std::string_view section, cpu::CpuState& state) {
  TANDEM_TRY(reader.begin_section(section, kCpuVersion));
  cpu::CpuState loaded;
  fields(reader, loaded);
  reader.check(loaded.activity <= cpu::Activity::Shutdown, "activity");
  for (const cpu::Segment& s : loaded.segments) reader.check(s.type < 16 && s.dpl < 4, "a segment");
  TANDEM_TRY(reader.end_section());
  state = loaded;
  return {};
}

}  // namespace tandem::snapshot
