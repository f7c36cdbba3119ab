// Shifts and rotates.
#pragma once

#include "core/semantics/arithmetic.h"

namespace tandem::semantics {

template <class T>
constexpr unsigned count_mask() {
  return sizeof(T) == 8 ? 63 : 31;
}

// The count is operand C: an immediate or CL, always a byte.
template <class T, class D, class C, class F>
Step shift(Cpu& cpu, const Insn& insn, F f) {
  u8 n;
  if (!C::template read<u8>(cpu, insn, n)) return Step::Fault;
  n &= count_mask<T>();
  const cpu::LazyFlags before = cpu.flags;
  return unary<T, D>(cpu, insn, [&](auto& flags, T a) {
    flags = before;  // an update may be tried again
    return f(flags, a, n);
  });
}

template <class T, class D = Any<0>, class C = Any<1>>
Step shl(Cpu& cpu, const Insn& insn) {
  return shift<T, D, C>(cpu, insn, [](auto& f, T a, unsigned n) { return alu::shl<T>(f, a, n); });
}
template <class T, class D = Any<0>, class C = Any<1>>
Step shr(Cpu& cpu, const Insn& insn) {
  return shift<T, D, C>(cpu, insn, [](auto& f, T a, unsigned n) { return alu::shr<T>(f, a, n); });
}
template <class T, class D = Any<0>, class C = Any<1>>
Step sar(Cpu& cpu, const Insn& insn) {
  return shift<T, D, C>(cpu, insn, [](auto& f, T a, unsigned n) { return alu::sar<T>(f, a, n); });
}
template <class T, class D = Any<0>, class C = Any<1>>
Step rol(Cpu& cpu, const Insn& insn) {
  return shift<T, D, C>(cpu, insn, [](auto& f, T a, unsigned n) { return alu::rol<T>(f, a, n); });
}
template <class T, class D = Any<0>, class C = Any<1>>
Step ror(Cpu& cpu, const Insn& insn) {
  return shift<T, D, C>(cpu, insn, [](auto& f, T a, unsigned n) { return alu::ror<T>(f, a, n); });
}
template <class T, class D = Any<0>, class C = Any<1>>
Step rcl(Cpu& cpu, const Insn& insn) {
  return shift<T, D, C>(cpu, insn, [](auto& f, T a, unsigned n) { return alu::rcl<T>(f, a, n); });
}
template <class T, class D = Any<0>, class C = Any<1>>
Step rcr(Cpu& cpu, const Insn& insn) {
  return shift<T, D, C>(cpu, insn, [](auto& f, T a, unsigned n) { return alu::rcr<T>(f, a, n); });
}
template <class T>
Step shld(Cpu& cpu, const Insn& insn) {
  const T b = get_reg<T>(cpu, insn.reg[1]);
  return shift<T, Any<0>, Any<2>>(cpu, insn,
                                  [b](auto& f, T a, unsigned n) { return alu::shld<T>(f, a, b, n); });
}
template <class T>
Step shrd(Cpu& cpu, const Insn& insn) {
  const T b = get_reg<T>(cpu, insn.reg[1]);
  return shift<T, Any<0>, Any<2>>(cpu, insn,
                                  [b](auto& f, T a, unsigned n) { return alu::shrd<T>(f, a, b, n); });
}

// BMI2 shifts touch no flags: dst = f(src1, count).
template <class T, class F>
Step flagless_shift(Cpu& cpu, const Insn& insn, F f) {
  T a, n;
  if (!Any<1>::read<T>(cpu, insn, a) || !Any<2>::read<T>(cpu, insn, n)) return Step::Fault;
  set_reg<T>(cpu, insn.reg[0], f(a, static_cast<unsigned>(n & count_mask<T>())));
  return Step::Next;
}
template <class T>
Step shlx(Cpu& cpu, const Insn& insn) {
  return flagless_shift<T>(cpu, insn, [](T a, unsigned n) { return static_cast<T>(a << n); });
}
template <class T>
Step shrx(Cpu& cpu, const Insn& insn) {
  return flagless_shift<T>(cpu, insn, [](T a, unsigned n) { return static_cast<T>(a >> n); });
}
template <class T>
Step sarx(Cpu& cpu, const Insn& insn) {
  using S = std::make_signed_t<T>;
  return flagless_shift<T>(cpu, insn, [](T a, unsigned n) { return static_cast<T>(static_cast<S>(a) >> n); });
}
template <class T>
Step rorx(Cpu& cpu, const Insn& insn) {
  return flagless_shift<T>(cpu, insn, [](T a, unsigned n) { return std::rotr(a, static_cast<int>(n)); });
}

}  // namespace tandem::semantics
