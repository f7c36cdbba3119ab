// Bit tests, scans and BMI1/BMI2, CRC32.
#pragma once

#include "core/semantics/arithmetic.h"

namespace tandem::semantics {

// BT and its kin: a register bit index reaches beyond the memory operand (SDM, BT).
template <class T, class F>
Step bit_test(Cpu& cpu, const Insn& insn, bool writes, F f) {
  T index;
  if (!Any<1>::read<T>(cpu, insn, index)) return Step::Fault;
  const unsigned n = static_cast<unsigned>(index & (alu::kWidth<T> - 1));
  bool old{};
  auto change = [&](T a) {
    old = (a >> n) & 1;
    return f(a, static_cast<T>(T{1} << n));
  };
  if (insn.kind[0] != OperandKind::Mem) {
    const T r = change(get_reg<T>(cpu, insn.reg[0]));
    if (writes) set_reg<T>(cpu, insn.reg[0], r);
  } else {
    u64 offset = mmu::effective_address(cpu, insn);
    if (insn.kind[1] == OperandKind::Gpr) {
      const i64 cell =
          static_cast<i64>(static_cast<std::make_signed_t<T>>(index)) >> std::countr_zero(alu::kWidth<T>);
      offset += static_cast<u64>(cell) * sizeof(T);
      if (insn.address_size != 8) offset &= low_mask(insn.address_size * 8);
    }
    u64 linear;
    const auto access = writes ? mmu::Access::Write : mmu::Access::Read;
    if (!mmu::linearize(cpu, insn.segment, offset, sizeof(T), access, linear)) return Step::Fault;
    if (writes) {
      if (!update_linear<T>(cpu, linear, insn.prefixes & isa::kLock, change)) return Step::Fault;
    } else {
      T a;
      if (!mmu::read<T>(cpu, linear, a)) return Step::Fault;
      change(a);
    }
  }
  cpu.flags.set_cf(old);
  return Step::Next;
}
template <class T>
Step bt(Cpu& cpu, const Insn& insn) {
  return bit_test<T>(cpu, insn, false, [](T a, T) { return a; });
}
template <class T>
Step bts(Cpu& cpu, const Insn& insn) {
  return bit_test<T>(cpu, insn, true, [](T a, T m) { return static_cast<T>(a | m); });
}
template <class T>
Step btr(Cpu& cpu, const Insn& insn) {
  return bit_test<T>(cpu, insn, true, [](T a, T m) { return static_cast<T>(a & ~m); });
}
template <class T>
Step btc(Cpu& cpu, const Insn& insn) {
  return bit_test<T>(cpu, insn, true, [](T a, T m) { return static_cast<T>(a ^ m); });
}

// A zero source leaves the destination alone, as every x86 CPU does.
template <class T, class F>
Step scan(Cpu& cpu, const Insn& insn, F f) {
  T a;
  if (!Any<1>::read<T>(cpu, insn, a)) return Step::Fault;
  if (a != 0) set_reg<T>(cpu, insn.reg[0], static_cast<T>(f(a)));
  alu::set_flags<T>(cpu.flags, a, false, false);
  return Step::Next;
}
template <class T>
Step bsf(Cpu& cpu, const Insn& insn) {
  return scan<T>(cpu, insn, [](T a) { return std::countr_zero(a); });
}
template <class T>
Step bsr(Cpu& cpu, const Insn& insn) {
  return scan<T>(cpu, insn, [](T a) { return static_cast<int>(alu::kWidth<T>) - 1 - std::countl_zero(a); });
}

// dst = f(src) with CF as f says and ZF by the result.
template <class T, class F>
Step count_bits(Cpu& cpu, const Insn& insn, F f) {
  T a;
  if (!Any<1>::read<T>(cpu, insn, a)) return Step::Fault;
  const T r = static_cast<T>(f(a));
  set_reg<T>(cpu, insn.reg[0], r);
  alu::set_flags<T>(cpu.flags, r, a == 0, false);
  return Step::Next;
}
template <class T>
Step tzcnt(Cpu& cpu, const Insn& insn) {
  return count_bits<T>(cpu, insn, [](T a) { return std::countr_zero(a); });
}
template <class T>
Step lzcnt(Cpu& cpu, const Insn& insn) {
  return count_bits<T>(cpu, insn, [](T a) { return std::countl_zero(a); });
}
template <class T>
Step popcnt(Cpu& cpu, const Insn& insn) {
  T a;
  if (!Any<1>::read<T>(cpu, insn, a)) return Step::Fault;
  set_reg<T>(cpu, insn.reg[0], static_cast<T>(std::popcount(a)));
  cpu.flags.set_rflags(a == 0 ? cpu::kZf : 0);
  return Step::Next;
}

// CRC-32C (polynomial 0x11EDC6F41, reflected), T is the source.
template <class T>
Step crc32(Cpu& cpu, const Insn& insn) {
  T data;
  if (!Any<1>::read<T>(cpu, insn, data)) return Step::Fault;
  u32 crc = get_reg<u32>(cpu, insn.reg[0]);
  for (unsigned i = 0; i < sizeof(T); ++i) {
    crc ^= static_cast<u8>(data >> (8 * i));
    for (int k = 0; k < 8; ++k) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  set_reg<u64>(cpu, insn.reg[0], crc);
  return Step::Next;
}

template <class T>
Step andn(Cpu& cpu, const Insn& insn) {
  T a, b;
  if (!Any<1>::read<T>(cpu, insn, a) || !Any<2>::read<T>(cpu, insn, b)) return Step::Fault;
  set_reg<T>(cpu, insn.reg[0], alu::logic<T>(cpu.flags, ~a & b));
  return Step::Next;
}
template <class T>
Step bextr(Cpu& cpu, const Insn& insn) {
  T a, control;
  if (!Any<1>::read<T>(cpu, insn, a) || !Any<2>::read<T>(cpu, insn, control)) return Step::Fault;
  const unsigned start = control & 0xff, length = (control >> 8) & 0xff;
  const T shifted = start < alu::kWidth<T> ? static_cast<T>(a >> start) : T{0};
  set_reg<T>(cpu, insn.reg[0], alu::logic<T>(cpu.flags, static_cast<T>(shifted & low_mask(length))));
  return Step::Next;
}
// BLSI, BLSMSK, BLSR: dst = f(src); CF by src == 0 as each defines.
template <class T, class F>
Step lowest_bit(Cpu& cpu, const Insn& insn, bool carry_if_zero, F f) {
  T a;
  if (!Any<1>::read<T>(cpu, insn, a)) return Step::Fault;
  const T r = f(a);
  alu::set_flags<T>(cpu.flags, r, (a == 0) == carry_if_zero, false);
  set_reg<T>(cpu, insn.reg[0], r);
  return Step::Next;
}
template <class T>
Step blsi(Cpu& cpu, const Insn& insn) {
  return lowest_bit<T>(cpu, insn, false, [](T a) { return static_cast<T>(a & -a); });
}
template <class T>
Step blsmsk(Cpu& cpu, const Insn& insn) {
  return lowest_bit<T>(cpu, insn, true, [](T a) { return static_cast<T>(a ^ (a - 1)); });
}
template <class T>
Step blsr(Cpu& cpu, const Insn& insn) {
  return lowest_bit<T>(cpu, insn, true, [](T a) { return static_cast<T>(a & (a - 1)); });
}
template <class T>
Step bzhi(Cpu& cpu, const Insn& insn) {
  T a, index;
  if (!Any<1>::read<T>(cpu, insn, a) || !Any<2>::read<T>(cpu, insn, index)) return Step::Fault;
  const unsigned n = index & 0xff;
  const T r = static_cast<T>(a & low_mask(n));
  alu::set_flags<T>(cpu.flags, r, n >= alu::kWidth<T>, false);
  set_reg<T>(cpu, insn.reg[0], r);
  return Step::Next;
}
template <class T>
Step mulx(Cpu& cpu, const Insn& insn) {
  T b;
  if (!Any<2>::read<T>(cpu, insn, b)) return Step::Fault;
  using U = typename alu::Wide<T>::U;
  const U r = static_cast<U>(static_cast<U>(get_gpr<T>(cpu, cpu::kRdx)) * b);
  set_reg<T>(cpu, insn.reg[1], static_cast<T>(r));  // the high half wins where both name one register
  set_reg<T>(cpu, insn.reg[0], static_cast<T>(r >> alu::kWidth<T>));
  return Step::Next;
}
template <class T>
Step pdep(Cpu& cpu, const Insn& insn) {
  T a, mask;
  if (!Any<1>::read<T>(cpu, insn, a) || !Any<2>::read<T>(cpu, insn, mask)) return Step::Fault;
  T r = 0;
  for (; mask; mask &= static_cast<T>(mask - 1), a >>= 1)
    if (a & 1) r |= static_cast<T>(mask & -mask);
  set_reg<T>(cpu, insn.reg[0], r);
  return Step::Next;
}
template <class T>
Step pext(Cpu& cpu, const Insn& insn) {
  T a, mask;
  if (!Any<1>::read<T>(cpu, insn, a) || !Any<2>::read<T>(cpu, insn, mask)) return Step::Fault;
  T r = 0;
  for (unsigned k = 0; mask; mask &= static_cast<T>(mask - 1), ++k)
    if (a & mask & -mask) r |= static_cast<T>(T{1} << k);
  set_reg<T>(cpu, insn.reg[0], r);
  return Step::Next;
}

}  // namespace tandem::semantics
