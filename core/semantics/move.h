// Moves, conversions, flags in AH, single-flag instructions.
#pragma once

#include "core/semantics/arithmetic.h"

namespace tandem::semantics {

template <class T, class D = Any<0>, class S = Any<1>>
Step mov(Cpu& cpu, const Insn& insn) {
  T v;
  if (!S::template read<T>(cpu, insn, v) || !D::template write<T>(cpu, insn, v)) return Step::Fault;
  return Step::Next;
}

template <class T>
T byte_swap(T v) {
  if constexpr (sizeof(T) == 1) return v;
  else if constexpr (sizeof(T) == 2) return __builtin_bswap16(v);
  else if constexpr (sizeof(T) == 4) return __builtin_bswap32(v);
  else return __builtin_bswap64(v);
}
template <class T>
Step movbe(Cpu& cpu, const Insn& insn) {
  T v;
  if (!Any<1>::read<T>(cpu, insn, v) || !Any<0>::write<T>(cpu, insn, byte_swap(v))) return Step::Fault;
  return Step::Next;
}
// With a 16-bit operand the result is undefined in the manual and 0 on CPUs.
template <class T>
Step bswap(Cpu& cpu, const Insn& insn) {
  const T v = get_reg<T>(cpu, insn.reg[0]);
  set_reg<T>(cpu, insn.reg[0], sizeof(T) == 2 ? T{0} : byte_swap(v));
  return Step::Next;
}

// From, the source's type, is a template argument where an engine knows it.
template <class T, class From, class S = Any<1>>
Step extend(Cpu& cpu, const Insn& insn) {
  From v;
  if (!S::template read<From>(cpu, insn, v)) return Step::Fault;
  set_reg<T>(cpu, insn.reg[0], static_cast<T>(v));
  return Step::Next;
}
template <class T>
Step movzx(Cpu& cpu, const Insn& insn) {
  return insn.src_size == 1 ? extend<T, u8>(cpu, insn) : extend<T, u16>(cpu, insn);
}
template <class T>
Step movsx(Cpu& cpu, const Insn& insn) {
  switch (insn.src_size) {
    case 1: return extend<T, i8>(cpu, insn);
    case 2: return extend<T, i16>(cpu, insn);
    default: return extend<T, i32>(cpu, insn);
  }
}

template <class T>
Step lea(Cpu& cpu, const Insn& insn) {
  set_reg<T>(cpu, insn.reg[0], static_cast<T>(mmu::effective_address(cpu, insn)));
  return Step::Next;
}

// With memory always locked (SDM, XCHG).
template <class T>
Step xchg(Cpu& cpu, const Insn& insn) {
  const unsigned m = insn.kind[0] == OperandKind::Mem ? 0 : 1;
  const u8 reg = insn.reg[1 - m];
  const T v = get_reg<T>(cpu, reg);
  T old{};
  if (insn.kind[m] == OperandKind::Mem) {
    u64 linear;
    if (!mmu::operand_address(cpu, insn, sizeof(T), mmu::Access::Write, linear)) return Step::Fault;
    if (!update_linear<T>(cpu, linear, true, [&](T a) { return old = a, v; })) return Step::Fault;
  } else {
    old = get_reg<T>(cpu, insn.reg[m]);
    set_reg<T>(cpu, insn.reg[m], v);
  }
  set_reg<T>(cpu, reg, old);
  return Step::Next;
}

template <unsigned N>
Step setcc(Cpu& cpu, const Insn& insn) {
  return Any<0>::write<u8>(cpu, insn, alu::condition<N>(cpu.flags)) ? Step::Next : Step::Fault;
}
// The source is read, and a 32-bit destination zero-extended, whatever the condition says.
template <unsigned N>
struct Cmov {
  template <class T, class S = Any<1>>
  static Step run(Cpu& cpu, const Insn& insn) {
    T v;
    if (!S::template read<T>(cpu, insn, v)) return Step::Fault;
    set_reg<T>(cpu, insn.reg[0], alu::condition<N>(cpu.flags) ? v : get_reg<T>(cpu, insn.reg[0]));
    return Step::Next;
  }
};

inline Step cbw(Cpu& cpu, const Insn&) {
  set_gpr<u16>(cpu, cpu::kRax, static_cast<u16>(get_gpr<i8>(cpu, cpu::kRax)));
  return Step::Next;
}
inline Step cwde(Cpu& cpu, const Insn&) {
  set_gpr<u32>(cpu, cpu::kRax, static_cast<u32>(get_gpr<i16>(cpu, cpu::kRax)));
  return Step::Next;
}
inline Step cdqe(Cpu& cpu, const Insn&) {
  set_gpr<u64>(cpu, cpu::kRax, static_cast<u64>(get_gpr<i32>(cpu, cpu::kRax)));
  return Step::Next;
}
inline Step cwd(Cpu& cpu, const Insn&) {
  set_gpr<u16>(cpu, cpu::kRdx, static_cast<u16>(get_gpr<i16>(cpu, cpu::kRax) >> 15));
  return Step::Next;
}
inline Step cdq(Cpu& cpu, const Insn&) {
  set_gpr<u32>(cpu, cpu::kRdx, static_cast<u32>(get_gpr<i32>(cpu, cpu::kRax) >> 31));
  return Step::Next;
}
inline Step cqo(Cpu& cpu, const Insn&) {
  set_gpr<u64>(cpu, cpu::kRdx, static_cast<u64>(get_gpr<i64>(cpu, cpu::kRax) >> 63));
  return Step::Next;
}

inline Step lahf(Cpu& cpu, const Insn&) {
  set_reg<u8>(cpu, isa::high_byte_offset(0), static_cast<u8>(cpu.flags.rflags() | 2));
  return Step::Next;
}
inline Step sahf(Cpu& cpu, const Insn&) {
  const u64 of = cpu.flags.of() ? cpu::kOf : 0;
  cpu.flags.set_rflags(of | get_reg<u8>(cpu, isa::high_byte_offset(0)));
  return Step::Next;
}
inline Step clc(Cpu& cpu, const Insn&) {
  cpu.flags.set_cf(false);
  return Step::Next;
}
inline Step stc(Cpu& cpu, const Insn&) {
  cpu.flags.set_cf(true);
  return Step::Next;
}
inline Step cmc(Cpu& cpu, const Insn&) {
  cpu.flags.set_cf(!cpu.flags.cf());
  return Step::Next;
}
inline Step cld(Cpu& cpu, const Insn&) {
  cpu.state.rflags &= ~cpu::kDf;
  return Step::Next;
}
inline Step std_(Cpu& cpu, const Insn&) {
  cpu.state.rflags |= cpu::kDf;
  return Step::Next;
}
inline Step nop(Cpu&, const Insn&) { return Step::Next; }
inline Step salc(Cpu& cpu, const Insn&) {
  set_reg<u8>(cpu, isa::gpr_offset(cpu::kRax), cpu.flags.cf() ? 0xff : 0);
  return Step::Next;
}

Step xlat(Cpu& cpu, const Insn& insn);
Step aaa(Cpu& cpu, const Insn& insn);
Step aas(Cpu& cpu, const Insn& insn);
Step aam(Cpu& cpu, const Insn& insn);
Step aad(Cpu& cpu, const Insn& insn);
Step daa(Cpu& cpu, const Insn& insn);
Step das(Cpu& cpu, const Insn& insn);
Step cmpxchg8b(Cpu& cpu, const Insn& insn);
Step cmpxchg16b(Cpu& cpu, const Insn& insn);
Step lfence(Cpu& cpu, const Insn& insn);
Step mfence(Cpu& cpu, const Insn& insn);
Step sfence(Cpu& cpu, const Insn& insn);
Step clflush(Cpu& cpu, const Insn& insn);
Step clzero(Cpu& cpu, const Insn& insn);

}  // namespace tandem::semantics
