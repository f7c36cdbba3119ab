// Instructions that load, store or clear x87 and vector state as a whole. In C++: their images are the
// guest's.
#pragma once

#include "core/semantics/operands.h"

namespace tandem::semantics {

Step fwait(Cpu& cpu, const Insn& insn);
Step fnstenv(Cpu& cpu, const Insn& insn);
Step fldenv(Cpu& cpu, const Insn& insn);
Step fnsave(Cpu& cpu, const Insn& insn);
Step frstor(Cpu& cpu, const Insn& insn);

Step ldmxcsr(Cpu& cpu, const Insn& insn);
Step stmxcsr(Cpu& cpu, const Insn& insn);
Step vldmxcsr(Cpu& cpu, const Insn& insn);
Step vstmxcsr(Cpu& cpu, const Insn& insn);
Step vzeroupper(Cpu& cpu, const Insn& insn);
Step vzeroall(Cpu& cpu, const Insn& insn);

Step fxsave(Cpu& cpu, const Insn& insn);
Step fxrstor(Cpu& cpu, const Insn& insn);

Step xgetbv(Cpu& cpu, const Insn& insn);
Step xsetbv(Cpu& cpu, const Insn& insn);
Step xsave(Cpu& cpu, const Insn& insn);
Step xsaveopt(Cpu& cpu, const Insn& insn);
Step xsavec(Cpu& cpu, const Insn& insn);
Step xsaves(Cpu& cpu, const Insn& insn);
Step xrstor(Cpu& cpu, const Insn& insn);
Step xrstors(Cpu& cpu, const Insn& insn);

}  // namespace tandem::semantics
