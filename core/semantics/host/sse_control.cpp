// MXCSR in memory; VZEROUPPER and VZEROALL.
#include <cstring>

#include "core/semantics/host/availability.h"
#include "core/semantics/host/mxcsr.h"
#include "core/semantics/host/vector_system.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

Step load_mxcsr(Cpu& cpu, const Insn& insn, Unit unit) {
  u32 value;
  if (!unit_available(cpu, unit) || !Any<0>::read<u32>(cpu, insn, value)) return Step::Fault;
  if (value & ~kMxcsrMask) return raise(cpu, fault(kGeneralProtection, 0));
  cpu.state.vector.mxcsr = value;
  return Step::Next;
}

Step store_mxcsr(Cpu& cpu, const Insn& insn, Unit unit) {
  if (!unit_available(cpu, unit) || !Any<0>::write<u32>(cpu, insn, cpu.state.vector.mxcsr))
    return Step::Fault;
  return Step::Next;
}

// keep: low bytes that stay.
Step clear_vectors(Cpu& cpu, unsigned keep) {
  if (!unit_available(cpu, Unit::Avx)) return Step::Fault;
  const unsigned count = cpu.mode.code_size == 8 ? 16 : 8;
  for (unsigned n = 0; n < count; ++n)
    std::memset(cpu.state.vector.zmm[n].bytes + keep, 0, sizeof(Zmm) - keep);
  return Step::Next;
}

}  // namespace

Step ldmxcsr(Cpu& cpu, const Insn& insn) { return load_mxcsr(cpu, insn, Unit::Sse); }
Step vldmxcsr(Cpu& cpu, const Insn& insn) { return load_mxcsr(cpu, insn, Unit::Avx); }
Step stmxcsr(Cpu& cpu, const Insn& insn) { return store_mxcsr(cpu, insn, Unit::Sse); }
Step vstmxcsr(Cpu& cpu, const Insn& insn) { return store_mxcsr(cpu, insn, Unit::Avx); }
Step vzeroupper(Cpu& cpu, const Insn&) { return clear_vectors(cpu, 16); }
Step vzeroall(Cpu& cpu, const Insn&) { return clear_vectors(cpu, 0); }

}  // namespace tandem::semantics
