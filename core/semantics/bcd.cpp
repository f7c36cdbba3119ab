// Decimal arithmetic and the other rare user-level instructions.
#include <cstring>

#include "core/semantics/move.h"

namespace tandem::semantics {

using namespace cpu;

namespace {
u8 al(const Cpu& cpu) { return get_gpr<u8>(cpu, kRax); }
u8 ah(const Cpu& cpu) { return get_reg<u8>(cpu, isa::high_byte_offset(0)); }
void set_al(Cpu& cpu, u8 v) { set_gpr<u8>(cpu, kRax, v); }
void set_ah(Cpu& cpu, u8 v) { set_reg<u8>(cpu, isa::high_byte_offset(0), v); }
// SF, ZF and PF by the result, CF and AF as given, OF cleared.
void set_decimal_flags(Cpu& cpu, u8 result, bool cf, bool af) {
  alu::set_flags<u8>(cpu.flags, result, cf, false);
  if (af) cpu.flags.carries |= 8;
}
}  // namespace

Step aaa(Cpu& cpu, const Insn&) {
  const bool adjust = (al(cpu) & 15) > 9 || cpu.flags.af();
  if (adjust) set_gpr<u16>(cpu, kRax, static_cast<u16>(get_gpr<u16>(cpu, kRax) + 0x106));
  set_al(cpu, al(cpu) & 15);
  set_decimal_flags(cpu, al(cpu), adjust, adjust);
  return Step::Next;
}
Step aas(Cpu& cpu, const Insn&) {
  const bool adjust = (al(cpu) & 15) > 9 || cpu.flags.af();
  if (adjust) {
    set_gpr<u16>(cpu, kRax, static_cast<u16>(get_gpr<u16>(cpu, kRax) - 6));
    set_ah(cpu, static_cast<u8>(ah(cpu) - 1));
  }
  set_al(cpu, al(cpu) & 15);
  set_decimal_flags(cpu, al(cpu), adjust, adjust);
  return Step::Next;
}
Step aam(Cpu& cpu, const Insn& insn) {
  const u8 base = static_cast<u8>(insn.imm);
  if (base == 0) return raise(cpu, fault(kDivideError));
  const u8 value = al(cpu);
  set_ah(cpu, value / base);
  set_al(cpu, value % base);
  set_decimal_flags(cpu, al(cpu), false, false);
  return Step::Next;
}
Step aad(Cpu& cpu, const Insn& insn) {
  const u8 value = static_cast<u8>(al(cpu) + ah(cpu) * static_cast<u8>(insn.imm));
  set_gpr<u16>(cpu, kRax, value);
  set_decimal_flags(cpu, value, false, false);
  return Step::Next;
}
Step daa(Cpu& cpu, const Insn&) {
  const u8 old = al(cpu);
  const bool old_cf = cpu.flags.cf();
  const bool low = (old & 15) > 9 || cpu.flags.af();
  const bool high = old > 0x99 || old_cf;
  const u8 r = static_cast<u8>(old + (low ? 6 : 0) + (high ? 0x60 : 0));
  set_al(cpu, r);
  set_decimal_flags(cpu, r, high, low);
  return Step::Next;
}
Step das(Cpu& cpu, const Insn&) {
  const u8 old = al(cpu);
  const bool old_cf = cpu.flags.cf();
  const bool low = (old & 15) > 9 || cpu.flags.af();
  const bool high = old > 0x99 || old_cf;
  const u8 r = static_cast<u8>(old - (low ? 6 : 0) - (high ? 0x60 : 0));
  set_al(cpu, r);
  set_decimal_flags(cpu, r, high || (low && old < 6), low);
  return Step::Next;
}

Step xlat(Cpu& cpu, const Insn& insn) {
  u64 offset = cpu.state.gpr[kRbx] + al(cpu);
  if (insn.address_size != 8) offset &= low_mask(insn.address_size * 8);
  u64 linear;
  u8 v;
  if (!mmu::linearize(cpu, insn.segment, offset, 1, mmu::Access::Read, linear) ||
      !mmu::read<u8>(cpu, linear, v))
    return Step::Fault;
  set_al(cpu, v);
  return Step::Next;
}

Step cmpxchg8b(Cpu& cpu, const Insn& insn) {
  const u64 wanted = u64{get_gpr<u32>(cpu, kRdx)} << 32 | get_gpr<u32>(cpu, kRax);
  const u64 replacement = u64{get_gpr<u32>(cpu, kRcx)} << 32 | get_gpr<u32>(cpu, kRbx);
  u64 old{};
  if (!update_memory_slow<u64>(cpu, insn, [&](u64 a) { return old = a, a == wanted ? replacement : a; }))
    return Step::Fault;
  const bool equal = old == wanted;
  cpu.flags.set_rflags((cpu.flags.rflags() & ~kZf) | (equal ? kZf : 0));
  if (!equal) {
    set_gpr<u32>(cpu, kRax, static_cast<u32>(old));
    set_gpr<u32>(cpu, kRdx, static_cast<u32>(old >> 32));
  }
  return Step::Next;
}

namespace {
struct alignas(16) Quad {
  u64 low, high;
};
// Exchanges *cell with replacement if it equals wanted, which else takes the cell's value.
bool compare_exchange_16(u8* cell, Quad& wanted, Quad replacement) {
  bool equal;
  // SAFETY: cell is 16-byte aligned guest RAM (checked by the caller); the host has CMPXCHG16B as the guest
  // does.
  asm volatile("lock cmpxchg16b %1"
               : "=@ccz"(equal), "+m"(*reinterpret_cast<Quad*>(cell)), "+a"(wanted.low), "+d"(wanted.high)
               : "b"(replacement.low), "c"(replacement.high)
               : "memory");
  return equal;
}
}  // namespace

Step cmpxchg16b(Cpu& cpu, const Insn& insn) {
  u64 linear;
  if (!mmu::operand_address(cpu, insn, 16, mmu::Access::Write, linear)) return Step::Fault;
  if (linear & 15) return raise(cpu, fault(kGeneralProtection, 0));
  mmu::UpdateTarget target;
  if (!mmu::locate_update(cpu, linear, 16, target)) return Step::Fault;
  Quad wanted{cpu.state.gpr[kRax], cpu.state.gpr[kRdx]};
  const Quad replacement{cpu.state.gpr[kRbx], cpu.state.gpr[kRcx]};
  bool equal = false;
  if (target.host) {
    equal = compare_exchange_16(target.host, wanted, replacement);
    mmu::finish_update(cpu, target);
  } else {
    Quad old;
    if (!mmu::read_bytes(cpu, linear, &old, 16)) return Step::Fault;
    equal = old.low == wanted.low && old.high == wanted.high;
    if (!mmu::write_bytes(cpu, linear, equal ? &replacement : &old, 16)) return Step::Fault;
    wanted = old;
  }
  cpu.flags.set_rflags((cpu.flags.rflags() & ~kZf) | (equal ? kZf : 0));
  if (!equal) {
    cpu.state.gpr[kRax] = wanted.low;
    cpu.state.gpr[kRdx] = wanted.high;
  }
  return Step::Next;
}

// Guest memory order is the host's: fences are fences.
Step lfence(Cpu&, const Insn&) {
  __builtin_ia32_lfence();
  return Step::Next;
}
Step mfence(Cpu&, const Insn&) {
  __builtin_ia32_mfence();
  return Step::Next;
}
Step sfence(Cpu&, const Insn&) {
  __builtin_ia32_sfence();
  return Step::Next;
}
Step clflush(Cpu& cpu, const Insn& insn) {
  u8 ignored;
  return read_memory_slow<u8>(cpu, insn, ignored) ? Step::Next : Step::Fault;
}
Step clzero(Cpu& cpu, const Insn& insn) {
  u64 offset = cpu.state.gpr[kRax] & ~u64{63};
  if (insn.address_size != 8) offset &= low_mask(insn.address_size * 8);
  static constexpr u8 kZeros[64] = {};
  u64 linear;
  if (!mmu::linearize(cpu, kDs, offset, 64, mmu::Access::Write, linear) ||
      !mmu::write_bytes(cpu, linear, kZeros, 64))
    return Step::Fault;
  return Step::Next;
}

}  // namespace tandem::semantics
