// Port I/O.
#pragma once

#include "core/semantics/operands.h"

namespace tandem::semantics {

// IOPL and the I/O permission bitmap (SDM vol. 1, 19.5). False: #GP(0), or a fault of reading the bitmap.
bool port_allowed(Cpu& cpu, u16 port, unsigned size);
u32 port_read(Cpu& cpu, u16 port, unsigned size);
void port_write(Cpu& cpu, u16 port, unsigned size, u32 value);

Step in(Cpu& cpu, const Insn& insn);
Step out(Cpu& cpu, const Insn& insn);

}  // namespace tandem::semantics
