// System instructions: control and debug registers, descriptor tables, MSRs, identification, halting.
#pragma once

#include "core/semantics/operands.h"

namespace tandem::semantics {

Step mov_from_segment(Cpu& cpu, const Insn& insn);
Step mov_to_segment(Cpu& cpu, const Insn& insn);
Step push_segment(Cpu& cpu, const Insn& insn);
Step pop_segment(Cpu& cpu, const Insn& insn);
Step lds(Cpu& cpu, const Insn& insn);
Step les(Cpu& cpu, const Insn& insn);
Step lfs(Cpu& cpu, const Insn& insn);
Step lgs(Cpu& cpu, const Insn& insn);
Step lss(Cpu& cpu, const Insn& insn);
Step verr(Cpu& cpu, const Insn& insn);
Step verw(Cpu& cpu, const Insn& insn);
Step lar(Cpu& cpu, const Insn& insn);
Step lsl(Cpu& cpu, const Insn& insn);
Step arpl(Cpu& cpu, const Insn& insn);
Step lgdt(Cpu& cpu, const Insn& insn);
Step lidt(Cpu& cpu, const Insn& insn);
Step sgdt(Cpu& cpu, const Insn& insn);
Step sidt(Cpu& cpu, const Insn& insn);
Step lldt(Cpu& cpu, const Insn& insn);
Step sldt(Cpu& cpu, const Insn& insn);
Step ltr(Cpu& cpu, const Insn& insn);
Step str(Cpu& cpu, const Insn& insn);

Step mov_from_control(Cpu& cpu, const Insn& insn);
Step mov_to_control(Cpu& cpu, const Insn& insn);
Step mov_from_debug(Cpu& cpu, const Insn& insn);
Step mov_to_debug(Cpu& cpu, const Insn& insn);
Step lmsw(Cpu& cpu, const Insn& insn);
Step smsw(Cpu& cpu, const Insn& insn);
Step clts(Cpu& cpu, const Insn& insn);
Step invd(Cpu& cpu, const Insn& insn);
Step invlpg(Cpu& cpu, const Insn& insn);
Step invpcid(Cpu& cpu, const Insn& insn);

Step cli(Cpu& cpu, const Insn& insn);
Step sti(Cpu& cpu, const Insn& insn);
Step clac(Cpu& cpu, const Insn& insn);
Step stac(Cpu& cpu, const Insn& insn);
Step hlt(Cpu& cpu, const Insn& insn);
Step monitor(Cpu& cpu, const Insn& insn);
Step mwait(Cpu& cpu, const Insn& insn);
Step swapgs(Cpu& cpu, const Insn& insn);
Step rdfsbase(Cpu& cpu, const Insn& insn);
Step rdgsbase(Cpu& cpu, const Insn& insn);
Step wrfsbase(Cpu& cpu, const Insn& insn);
Step wrgsbase(Cpu& cpu, const Insn& insn);

Step rdmsr(Cpu& cpu, const Insn& insn);
Step wrmsr(Cpu& cpu, const Insn& insn);
// Does CR4.TSD let RDTSC and RDTSCP pass here?
bool tsc_allowed(const Cpu& cpu);
Step rdtsc(Cpu& cpu, const Insn& insn);
Step rdtscp(Cpu& cpu, const Insn& insn);
Step rdpmc(Cpu& cpu, const Insn& insn);
Step rdpid(Cpu& cpu, const Insn& insn);
Step cpuid(Cpu& cpu, const Insn& insn);

template <class T>
Step random(Cpu& cpu, const Insn& insn);
template <class T>
Step rdrand(Cpu& cpu, const Insn& insn) {
  return random<T>(cpu, insn);
}
template <class T>
Step rdseed(Cpu& cpu, const Insn& insn) {
  return random<T>(cpu, insn);
}

// CR0, CR3, CR4 with all checks, as MOV and other ways of setting them do. False: #GP.
bool set_cr0(Cpu& cpu, u64 value);
bool set_cr3(Cpu& cpu, u64 value);
bool set_cr4(Cpu& cpu, u64 value);

}  // namespace tandem::semantics
