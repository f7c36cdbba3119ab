#include "core/semantics/io.h"

namespace tandem::semantics {

using namespace cpu;

bool port_allowed(Cpu& cpu, u16 port, unsigned size) {
  const bool free_to_use =
      !(cpu.state.cr0 & kCr0Pe) || (!cpu.mode.vm86 && cpu.mode.cpl <= bits(cpu.state.rflags, 13, 12));
  if (free_to_use) return true;
  const GuestFault refused = fault(kGeneralProtection, 0);
  const Segment& tr = cpu.state.tr;
  const bool tss32 = tr.type & 8;
  u16 map_base = 0, map = 0;
  cpu.fault = refused;
  if (!tr.present || !tss32 || tr.limit < 103) return false;
  if (!mmu::read_system(cpu, tr.base + 102, &map_base, 2)) return false;
  const u32 at = u32{map_base} + port / 8;
  if (at + 1 > tr.limit) return cpu.fault = refused, false;
  if (!mmu::read_system(cpu, tr.base + at, &map, 2)) return false;
  if ((map >> (port % 8)) & low_mask(size)) return cpu.fault = refused, false;
  return true;
}

u32 port_read(Cpu& cpu, u16 port, unsigned size) {
  bus::IoAccess io{bus::BusKind::Pio, bus::IoDir::Read, static_cast<u8>(size), cpu.id, port, 0, 0};
  cpu.sink->io(io);
  return static_cast<u32>(io.value);
}

void port_write(Cpu& cpu, u16 port, unsigned size, u32 value) {
  bus::IoAccess io{bus::BusKind::Pio, bus::IoDir::Write, static_cast<u8>(size), cpu.id, port, 0, value};
  cpu.sink->io(io);
}

namespace {
u16 port_operand(const Cpu& cpu, const Insn& insn, unsigned n) {
  return insn.kind[n] == OperandKind::Imm ? static_cast<u8>(insn.imm) : get_gpr<u16>(cpu, kRdx);
}
}  // namespace

Step in(Cpu& cpu, const Insn& insn) {
  const u16 port = port_operand(cpu, insn, 1);
  if (!port_allowed(cpu, port, insn.size)) return Step::Fault;
  const u32 v = port_read(cpu, port, insn.size);
  switch (insn.size) {
    case 1: set_gpr<u8>(cpu, kRax, static_cast<u8>(v)); break;
    case 2: set_gpr<u16>(cpu, kRax, static_cast<u16>(v)); break;
    default: set_gpr<u32>(cpu, kRax, v);
  }
  return Step::EndBlock;
}

Step out(Cpu& cpu, const Insn& insn) {
  const u16 port = port_operand(cpu, insn, 0);
  if (!port_allowed(cpu, port, insn.size)) return Step::Fault;
  port_write(cpu, port, insn.size, static_cast<u32>(low_mask(insn.size * 8) & cpu.state.gpr[kRax]));
  return Step::EndBlock;
}

}  // namespace tandem::semantics
