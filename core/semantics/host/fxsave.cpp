#include "core/isa/op.h"
#include "core/semantics/host/availability.h"
#include "core/semantics/host/legacy_area.h"
#include "core/semantics/host/mxcsr.h"
#include "core/semantics/host/vector_system.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

bool area_address(Cpu& cpu, const Insn& insn, mmu::Access access, u64& linear) {
  if (!unit_available(cpu, Unit::X87) || !mmu::operand_address(cpu, insn, kLegacyArea, access, linear))
    return false;
  if (linear % 16 == 0) return true;
  cpu.fault = fault(kGeneralProtection, 0);
  return false;
}

}  // namespace

// The last 96 bytes of the area are the guest's; XMM8..15 stay too where they don't exist.
Step fxsave(Cpu& cpu, const Insn& insn) {
  u64 linear;
  if (!area_address(cpu, insn, mmu::Access::Write, linear)) return Step::Fault;
  u8 area[kLegacyArea] = {};
  write_x87(cpu.state.vector.x87, insn.op == isa::Op::FXSAVE64, area);
  store_le<u32>(area + kMxcsrOffset, cpu.state.vector.mxcsr);
  store_le<u32>(area + kMxcsrOffset + 4, kMxcsrMask);
  write_xmm(cpu, area);
  const unsigned used = (cpu.state.cr4 & kCr4Osfxsr) ? kXmmOffset + 16 * xmm_count(cpu) : kXmmOffset;
  if (!mmu::probe_write(cpu, linear, kLegacyArea) || !mmu::write_bytes(cpu, linear, area, used))
    return Step::Fault;
  return Step::Next;
}

Step fxrstor(Cpu& cpu, const Insn& insn) {
  u64 linear;
  u8 area[kLegacyArea];
  if (!area_address(cpu, insn, mmu::Access::Read, linear) || !mmu::read_bytes(cpu, linear, area, kLegacyArea))
    return Step::Fault;
  const u32 mxcsr = load_le<u32>(area + kMxcsrOffset);
  if (mxcsr & ~kMxcsrMask) return raise(cpu, fault(kGeneralProtection, 0));
  read_x87(area, insn.op == isa::Op::FXRSTOR64, cpu.state.vector.x87);
  if (!(cpu.state.cr4 & kCr4Osfxsr)) return Step::Next;
  cpu.state.vector.mxcsr = mxcsr;
  read_xmm(cpu, area);
  return Step::Next;
}

}  // namespace tandem::semantics
