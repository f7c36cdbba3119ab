#include "tools/states/state_fields.h"

#include <fmt/format.h>

#include <span>
#include <type_traits>

namespace tandem::states {

namespace {

using cpu::CpuState;

class Builder {
 public:
  template <class T>
  void one(std::string name, const T& member) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    fields_.push_back({std::move(name), offset_of(&member), sizeof member});
  }
  // All bytes as one value.
  template <class T, std::size_t N>
  void whole(std::string name, const T (&member)[N]) {
    fields_.push_back({std::move(name), offset_of(member), sizeof member});
  }
  template <class T, std::size_t N>
  void each(const std::string& name, const T (&members)[N]) {
    for (std::size_t i = 0; i < N; ++i) one(fmt::format("{}{}", name, i), members[i]);
  }

  void general();
  void segment(const std::string& name, const cpu::Segment& s);
  void system();
  void msrs();
  void vector();
  void events();
  void lapic();
  std::vector<StateField> take() { return std::move(fields_); }

 private:
  std::size_t offset_of(const void* member) const {
    return static_cast<std::size_t>(static_cast<const u8*>(member) - reinterpret_cast<const u8*>(&s_));
  }

  CpuState s_;
  std::vector<StateField> fields_;
};

void Builder::general() {
  static constexpr const char* kNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                           "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  for (unsigned i = 0; i < 16; ++i) one(kNames[i], s_.gpr[i]);
  one("rip", s_.rip);
  one("rflags", s_.rflags);
}

void Builder::segment(const std::string& name, const cpu::Segment& s) {
  one(name, s.selector);
  one(name + ".base", s.base);
  one(name + ".limit", s.limit);
  one(name + ".type", s.type);
  one(name + ".s", s.s);
  one(name + ".dpl", s.dpl);
  one(name + ".present", s.present);
  one(name + ".avl", s.avl);
  one(name + ".l", s.l);
  one(name + ".db", s.db);
  one(name + ".g", s.g);
}

void Builder::system() {
  static constexpr const char* kNames[] = {"es", "cs", "ss", "ds", "fs", "gs"};
  for (unsigned i = 0; i < cpu::kSegmentCount; ++i) segment(kNames[i], s_.segments[i]);
  segment("ldtr", s_.ldtr);
  segment("tr", s_.tr);
  one("gdtr.base", s_.gdtr.base);
  one("gdtr.limit", s_.gdtr.limit);
  one("idtr.base", s_.idtr.base);
  one("idtr.limit", s_.idtr.limit);
  one("cr0", s_.cr0);
  one("cr2", s_.cr2);
  one("cr3", s_.cr3);
  one("cr4", s_.cr4);
  one("xcr0", s_.xcr0);
  one("efer", s_.efer);
  each("dr", s_.dr);
  each("pdpte", s_.pdpte);
  one("tsc_offset", s_.tsc_offset);
}

void Builder::msrs() {
  const cpu::Msrs& m = s_.msr;
  one("apic_base", m.apic_base);
  one("tsc_adjust", m.tsc_adjust);
  one("star", m.star);
  one("lstar", m.lstar);
  one("cstar", m.cstar);
  one("sfmask", m.sfmask);
  one("kernel_gs_base", m.kernel_gs_base);
  one("sysenter_cs", m.sysenter_cs);
  one("sysenter_esp", m.sysenter_esp);
  one("sysenter_eip", m.sysenter_eip);
  one("tsc_aux", m.tsc_aux);
  one("pat", m.pat);
  one("misc_enable", m.misc_enable);
  one("debugctl", m.debugctl);
  one("xss", m.xss);
  one("spec_ctrl", m.spec_ctrl);
  one("feature_control", m.feature_control);
  one("mcg_status", m.mcg_status);
  one("mcg_ctl", m.mcg_ctl);
  one("mtrr_def_type", m.mtrr_def_type);
  each("mtrr_fixed", m.mtrr_fixed);
  each("mtrr_phys_base", m.mtrr_phys_base);
  each("mtrr_phys_mask", m.mtrr_phys_mask);
  one("smbase", m.smbase);
}

void Builder::vector() {
  const cpu::VectorState& v = s_.vector;
  for (unsigned i = 0; i < 32; ++i) whole(fmt::format("zmm{}", i), v.zmm[i].bytes);
  each("k", v.k);
  one("mxcsr", v.mxcsr);
  const cpu::X87State& x = v.x87;
  one("fcw", x.fcw);
  one("fsw", x.fsw);
  one("ftw", x.ftw_abridged);
  one("fop", x.fop);
  one("fip", x.fip);
  one("fdp", x.fdp);
  for (unsigned i = 0; i < 8; ++i) whole(fmt::format("st{}", i), x.st[i]);
}

void Builder::events() {
  const cpu::PendingEvents& e = s_.events;
  one("interrupt_shadow_sti", e.interrupt_shadow_sti);
  one("interrupt_shadow_movss", e.interrupt_shadow_movss);
  one("nmi_blocked", e.nmi_blocked);
  one("nmi_pending", e.nmi_pending);
  one("smi_pending", e.smi_pending);
  one("init_pending", e.init_pending);
  one("startup_pending", e.startup_pending);
  one("startup_vector", e.startup_vector);
  one("interrupt_accepted", e.interrupt_accepted);
  one("accepted_vector", e.accepted_vector);
  one("in_smm", e.in_smm);
  one("debug_traps", e.debug_traps);
  one("activity", s_.activity);
}

void Builder::lapic() {
  const cpu::LapicState& l = s_.lapic;
  one("lapic.id", l.id);
  one("lapic.tpr", l.tpr);
  one("lapic.ldr", l.ldr);
  one("lapic.dfr", l.dfr);
  one("lapic.svr", l.svr);
  each("lapic.isr", l.isr);
  each("lapic.tmr", l.tmr);
  each("lapic.irr", l.irr);
  one("lapic.esr", l.esr);
  one("lapic.esr_pending", l.esr_pending);
  one("lapic.icr", l.icr);
  one("lapic.lvt_cmci", l.lvt_cmci);
  one("lapic.lvt_timer", l.lvt_timer);
  one("lapic.lvt_thermal", l.lvt_thermal);
  one("lapic.lvt_pmc", l.lvt_pmc);
  one("lapic.lvt_lint0", l.lvt_lint0);
  one("lapic.lvt_lint1", l.lvt_lint1);
  one("lapic.lvt_error", l.lvt_error);
  one("lapic.timer_initial", l.timer_initial);
  one("lapic.timer_divide", l.timer_divide);
  one("lapic.timer_started", l.timer_started);
  one("lapic.tsc_deadline", l.tsc_deadline);
}

}  // namespace

const std::vector<StateField>& state_fields() {
  static const std::vector<StateField> all = [] {
    Builder b;
    b.general();
    b.system();
    b.msrs();
    b.vector();
    b.events();
    b.lapic();
    return b.take();
  }();
  return all;
}

// As one number, most significant byte first.
std::string text_of(const StateField& field, const CpuState& state) {
  std::string text;
  const u8* bytes = field.in(state);
  for (unsigned i = field.size; i-- > 0;) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

}  // namespace tandem::states
