// How HostInsns are run, by what they do with memory.
#pragma once

#include "core/semantics/host/host_insn.h"

namespace tandem::semantics {

cpu::Step run_registers(cpu::Cpu& cpu, const isa::Insn& insn, const HostInsn& host);
cpu::Step run_load(cpu::Cpu& cpu, const isa::Insn& insn, const HostInsn& host);
cpu::Step run_store(cpu::Cpu& cpu, const isa::Insn& insn, const HostInsn& host);
cpu::Step run_masked_load(cpu::Cpu& cpu, const isa::Insn& insn, const HostInsn& host);
cpu::Step run_masked_store(cpu::Cpu& cpu, const isa::Insn& insn, const HostInsn& host);
cpu::Step run_gather(cpu::Cpu& cpu, const isa::Insn& insn, const HostInsn& host);
cpu::Step run_scatter(cpu::Cpu& cpu, const isa::Insn& insn, const HostInsn& host);

// Shared by the above.
[[nodiscard]] bool enter(cpu::Cpu& cpu, const HostInsn& host);  // false: may not run now
cpu::Step execute(cpu::Cpu& cpu, const isa::Insn& insn, const HostInsn& host, u8* memory, u64 linear);
// Scratch memory that is as misaligned as the guest's.
u8* scratch_for(cpu::Cpu& cpu, u64 linear);

}  // namespace tandem::semantics
