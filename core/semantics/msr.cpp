// RDMSR, WRMSR: the MSRs as a table (SDM vol. 4).
#include "core/cpu/cpuid_models.h"
#include "core/semantics/system.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

Step gp0(Cpu& cpu) { return raise(cpu, fault(kGeneralProtection, 0)); }

enum class Check : u8 { Any, Canonical, ReadOnly };

// An MSR that is a plain cell of Msrs.
struct PlainMsr {
  u32 index;
  u64 Msrs::* cell;
  u64 writable;  // bits that WRMSR may set; others raise #GP
  Check check = Check::Any;
};

constexpr PlainMsr kPlain[] = {
    {0x3b, &Msrs::tsc_adjust, ~u64{0}},
    {0x3a, &Msrs::feature_control, 0, Check::ReadOnly},
    {0x48, &Msrs::spec_ctrl, 7},
    {0x174, &Msrs::sysenter_cs, ~u64{0}},
    {0x175, &Msrs::sysenter_esp, ~u64{0}, Check::Canonical},
    {0x176, &Msrs::sysenter_eip, ~u64{0}, Check::Canonical},
    {0x17a, &Msrs::mcg_status, 7},
    {0x17b, &Msrs::mcg_ctl, ~u64{0}},
    {0x1a0, &Msrs::misc_enable, ~u64{0}},
    {0x1d9, &Msrs::debugctl, 3},
    {0x277, &Msrs::pat, ~u64{0}},
    {0x2ff, &Msrs::mtrr_def_type, 0xcff},
    {0xda0, &Msrs::xss, 0},
    {0xc0000081, &Msrs::star, ~u64{0}},
    {0xc0000082, &Msrs::lstar, ~u64{0}, Check::Canonical},
    {0xc0000083, &Msrs::cstar, ~u64{0}, Check::Canonical},
    {0xc0000084, &Msrs::sfmask, 0xffffffff},
    {0xc0000102, &Msrs::kernel_gs_base, ~u64{0}, Check::Canonical},
    {0xc0000103, &Msrs::tsc_aux, 0xffffffff},
};

constexpr u32 kTsc = 0x10, kPlatformId = 0x17, kBiosSignature = 0x8b, kPredCmd = 0x49, kMtrrCap = 0xfe,
              kArchCapabilities = 0x10a, kMcgCap = 0x179, kMtrrPhysBase = 0x200, kEfer = 0xc0000080,
              kFsBase = 0xc0000100, kGsBase = 0xc0000101, kBiosUpdate = 0x79, kPlatformInfo = 0xce,
              kSmiCount = 0x34;

// The CPU has none of the known transient-execution flaws: nothing here speculates.
constexpr u64 kArchCapabilitiesValue = 1u << 0 | 1u << 1 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 8 |
                                       1u << 13 | 1u << 14 | 1u << 15 | 1u << 17 | 1u << 20 | 1u << 24 |
                                       1u << 26 | 1u << 27;

bool canonical(u64 a) { return sign_extend_from(a, 48) == a; }

const PlainMsr* find_plain(u32 index) {
  for (const PlainMsr& m : kPlain)
    if (m.index == index) return &m;
  return nullptr;
}

// The fixed-range MTRRs in the order of Msrs::mtrr_fixed, or -1.
int mtrr_fixed_index(u32 index) {
  if (index == 0x250) return 0;
  if (index == 0x258 || index == 0x259) return static_cast<int>(index - 0x258 + 1);
  if (index >= 0x268 && index <= 0x26f) return static_cast<int>(index - 0x268 + 3);
  return -1;
}

u64* mtrr_cell(Msrs& m, u32 index) {
  if (index >= kMtrrPhysBase && index < kMtrrPhysBase + 16) {
    const u32 n = (index - kMtrrPhysBase) / 2;
    return index & 1 ? &m.mtrr_phys_mask[n] : &m.mtrr_phys_base[n];
  }
  const int fixed = mtrr_fixed_index(index);
  return fixed < 0 ? nullptr : &m.mtrr_fixed[fixed];
}

bool is_external(u32 index) { return index == 0x1b || index == 0x6e0 || (index >= 0x800 && index <= 0x8ff); }

u64 tsc(Cpu& cpu) { return cpu.sink->tsc_ticks(cpu.id) + cpu.state.tsc_offset; }

bool read_msr(Cpu& cpu, u32 index, u64& value) {
  CpuState& s = cpu.state;
  if (is_external(index)) {
    MsrAccess a{index, bus::IoDir::Read, cpu.id, 0};
    if (!cpu.sink->msr(a)) return false;
    value = a.value;
    return true;
  }
  if (const PlainMsr* m = find_plain(index)) return value = s.msr.*(m->cell), true;
  if (const u64* cell = mtrr_cell(s.msr, index)) return value = *cell, true;
  switch (index) {
    case kTsc: value = tsc(cpu); return true;
    case kPlatformId: value = 0; return true;
    case kBiosSignature: value = u64{1} << 32; return true;
    case kMtrrCap: value = 0x508; return true;
    case kMcgCap: value = 0; return true;
    case kSmiCount: value = 0; return true;
    case kPlatformInfo: value = 0; return true;
    case kArchCapabilities: value = kArchCapabilitiesValue; return cpu.model->has(Feature::arch_capabilities);
    case kEfer: value = s.efer; return cpu.model->has(Feature::syscall) || cpu.model->has(Feature::nx);
    case kFsBase: value = s.segments[kFs].base; return cpu.model->has(Feature::lm);
    case kGsBase: value = s.segments[kGs].base; return cpu.model->has(Feature::lm);
    default: return false;
  }
}

bool write_efer(Cpu& cpu, u64 value) {
  CpuState& s = cpu.state;
  if (value & ~efer_mask(*cpu.model)) return false;
  if (((value ^ s.efer) & kEferLme) && (s.cr0 & kCr0Pg)) return false;
  s.efer = (value & ~kEferLma) | (s.efer & kEferLma);
  mmu::flush_all(cpu);
  update_mode(cpu);
  return true;
}

bool write_plain(Cpu& cpu, const PlainMsr& m, u64 value) {
  if (m.check == Check::ReadOnly || (value & ~m.writable)) return false;
  if (m.check == Check::Canonical && !canonical(value)) return false;
  u64& cell = cpu.state.msr.*(m.cell);
  if (m.cell == &Msrs::tsc_adjust) cpu.state.tsc_offset += value - cell;
  cell = value;
  return true;
}

bool write_msr(Cpu& cpu, u32 index, u64 value) {
  CpuState& s = cpu.state;
  if (is_external(index)) {
    MsrAccess a{index, bus::IoDir::Write, cpu.id, value};
    return cpu.sink->msr(a);
  }
  if (const PlainMsr* m = find_plain(index)) return write_plain(cpu, *m, value);
  if (u64* cell = mtrr_cell(s.msr, index)) return *cell = value, true;
  switch (index) {
    case kTsc: {
      const u64 change = value - tsc(cpu);
      s.tsc_offset += change;
      s.msr.tsc_adjust += change;
      return true;
    }
    case kBiosSignature:
    case kBiosUpdate:
    case kPredCmd: return true;
    case kEfer: return write_efer(cpu, value);
    case kFsBase:
      return canonical(value) && cpu.model->has(Feature::lm) && (s.segments[kFs].base = value, true);
    case kGsBase:
      return canonical(value) && cpu.model->has(Feature::lm) && (s.segments[kGs].base = value, true);
    default: return false;
  }
}

void set_edx_eax(Cpu& cpu, u64 v) {
  set_gpr<u32>(cpu, kRax, static_cast<u32>(v));
  set_gpr<u32>(cpu, kRdx, static_cast<u32>(v >> 32));
}

}  // namespace

bool tsc_allowed(const Cpu& cpu) {
  return !(cpu.state.cr4 & kCr4Tsd) || cpu.mode.cpl == 0 || !(cpu.state.cr0 & kCr0Pe);
}

Step rdmsr(Cpu& cpu, const Insn&) {
  u64 value = 0;
  if (cpu.mode.cpl != 0 || !read_msr(cpu, get_gpr<u32>(cpu, kRcx), value)) return gp0(cpu);
  set_edx_eax(cpu, value);
  return Step::EndBlock;
}

Step wrmsr(Cpu& cpu, const Insn&) {
  const u64 value = u64{get_gpr<u32>(cpu, kRdx)} << 32 | get_gpr<u32>(cpu, kRax);
  if (cpu.mode.cpl != 0 || !write_msr(cpu, get_gpr<u32>(cpu, kRcx), value)) return gp0(cpu);
  return Step::EndBlock;
}

Step rdtsc(Cpu& cpu, const Insn&) {
  if (!tsc_allowed(cpu)) return gp0(cpu);
  set_edx_eax(cpu, tsc(cpu));
  return Step::EndBlock;
}

Step rdtscp(Cpu& cpu, const Insn& insn) {
  const Step s = rdtsc(cpu, insn);
  if (s != Step::Fault) set_gpr<u32>(cpu, kRcx, static_cast<u32>(cpu.state.msr.tsc_aux));
  return s;
}

// No performance counters: every index is invalid.
Step rdpmc(Cpu& cpu, const Insn&) { return gp0(cpu); }

Step rdpid(Cpu& cpu, const Insn& insn) {
  set_reg<u64>(cpu, insn.reg[0], cpu.state.msr.tsc_aux);
  return Step::Next;
}

Step cpuid(Cpu& cpu, const Insn&) {
  const CpuState& s = cpu.state;
  const CpuidContext context{s.lapic.id, (s.cr4 & kCr4Osxsave) != 0, (s.msr.apic_base & (1u << 11)) != 0,
                             s.xcr0, s.msr.xss};
  const CpuidResult r = cpu::cpuid(*cpu.model, get_gpr<u32>(cpu, kRax), get_gpr<u32>(cpu, kRcx), context);
  set_gpr<u32>(cpu, kRax, r.eax);
  set_gpr<u32>(cpu, kRbx, r.ebx);
  set_gpr<u32>(cpu, kRcx, r.ecx);
  set_gpr<u32>(cpu, kRdx, r.edx);
  return Step::Next;
}

// From the host CPU's generator, which the model check guarantees; or a function of time alone (SplitMix64).
template <class T>
Step random(Cpu& cpu, const Insn& insn) {
  unsigned long long value = 0;
  unsigned char ok = 1;
  if (cpu.model->repeatable_random) {
    value = (cpu.sink->tsc_ticks(cpu.id) + 1) * 0x9e3779b97f4a7c15;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    value ^= value >> 31;
  } else {
    asm volatile("rdrand %0\n\tsetc %1" : "=r"(value), "=qm"(ok) : : "cc");
  }
  set_reg<T>(cpu, insn.reg[0], static_cast<T>(ok ? value : 0));
  cpu.flags.set_rflags(ok ? kCf : 0);
  return Step::Next;
}
template Step random<u8>(Cpu&, const Insn&);
template Step random<u16>(Cpu&, const Insn&);
template Step random<u32>(Cpu&, const Insn&);
template Step random<u64>(Cpu&, const Insn&);

}  // namespace tandem::semantics
