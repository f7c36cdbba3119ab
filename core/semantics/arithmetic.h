// ADD .. XADD: integer arithmetic and logic.
#pragma once

#include "core/semantics/alu.h"
#include "core/semantics/operands.h"

namespace tandem::semantics {

using cpu::fault;
using cpu::raise;

// dst = f(flags, dst, src)
template <class T, class D, class S, class F>
Step binary(Cpu& cpu, const Insn& insn, F f) {
  T b;
  if (!S::template read<T>(cpu, insn, b)) return Step::Fault;
  if (!D::template update<T>(cpu, insn, [&](T a) { return f(cpu.flags, a, b); })) return Step::Fault;
  return Step::Next;
}
// f(flags, dst, src), dst only read
template <class T, class D, class S, class F>
Step compare(Cpu& cpu, const Insn& insn, F f) {
  T a, b;
  if (!D::template read<T>(cpu, insn, a) || !S::template read<T>(cpu, insn, b)) return Step::Fault;
  f(cpu.flags, a, b);
  return Step::Next;
}
template <class T, class D, class F>
Step unary(Cpu& cpu, const Insn& insn, F f) {
  return D::template update<T>(cpu, insn, [&](T a) { return f(cpu.flags, a); }) ? Step::Next : Step::Fault;
}

template <class T, class D = Any<0>, class S = Any<1>>
Step add(Cpu& cpu, const Insn& insn) {
  return binary<T, D, S>(cpu, insn, [](auto& f, T a, T b) { return alu::add<T>(f, a, b); });
}
template <class T, class D = Any<0>, class S = Any<1>>
Step sub(Cpu& cpu, const Insn& insn) {
  return binary<T, D, S>(cpu, insn, [](auto& f, T a, T b) { return alu::sub<T>(f, a, b); });
}
template <class T, class D = Any<0>, class S = Any<1>>
Step adc(Cpu& cpu, const Insn& insn) {
  const bool cf = cpu.flags.cf();
  return binary<T, D, S>(cpu, insn, [cf](auto& f, T a, T b) { return alu::add<T>(f, a, b, cf); });
}
template <class T, class D = Any<0>, class S = Any<1>>
Step sbb(Cpu& cpu, const Insn& insn) {
  const bool cf = cpu.flags.cf();
  return binary<T, D, S>(cpu, insn, [cf](auto& f, T a, T b) { return alu::sub<T>(f, a, b, cf); });
}
template <class T, class D = Any<0>, class S = Any<1>>
Step and_(Cpu& cpu, const Insn& insn) {
  return binary<T, D, S>(cpu, insn, [](auto& f, T a, T b) { return alu::logic<T>(f, a & b); });
}
template <class T, class D = Any<0>, class S = Any<1>>
Step or_(Cpu& cpu, const Insn& insn) {
  return binary<T, D, S>(cpu, insn, [](auto& f, T a, T b) { return alu::logic<T>(f, a | b); });
}
template <class T, class D = Any<0>, class S = Any<1>>
Step xor_(Cpu& cpu, const Insn& insn) {
  return binary<T, D, S>(cpu, insn, [](auto& f, T a, T b) { return alu::logic<T>(f, a ^ b); });
}
template <class T, class D = Any<0>, class S = Any<1>>
Step cmp(Cpu& cpu, const Insn& insn) {
  return compare<T, D, S>(cpu, insn, [](auto& f, T a, T b) { alu::sub<T>(f, a, b); });
}
template <class T, class D = Any<0>, class S = Any<1>>
Step test(Cpu& cpu, const Insn& insn) {
  return compare<T, D, S>(cpu, insn, [](auto& f, T a, T b) { alu::logic<T>(f, a & b); });
}
template <class T, class D = Any<0>>
Step inc(Cpu& cpu, const Insn& insn) {
  const bool cf = cpu.flags.cf();
  return unary<T, D>(cpu, insn, [cf](auto& f, T a) { return alu::inc<T>(f, a, cf); });
}
template <class T, class D = Any<0>>
Step dec(Cpu& cpu, const Insn& insn) {
  const bool cf = cpu.flags.cf();
  return unary<T, D>(cpu, insn, [cf](auto& f, T a) { return alu::dec<T>(f, a, cf); });
}
template <class T, class D = Any<0>>
Step neg(Cpu& cpu, const Insn& insn) {
  return unary<T, D>(cpu, insn, [](auto& f, T a) { return alu::sub<T>(f, 0, a); });
}
template <class T, class D = Any<0>>
Step not_(Cpu& cpu, const Insn& insn) {
  return unary<T, D>(cpu, insn, [](auto&, T a) { return static_cast<T>(~a); });
}

template <class T>
Step xadd(Cpu& cpu, const Insn& insn) {
  const T addend = get_reg<T>(cpu, insn.reg[1]);
  T old{};
  const bool ok = Any<0>::update<T>(cpu, insn, [&](T a) {
    old = a;
    return alu::add<T>(cpu.flags, a, addend);
  });
  if (!ok) return Step::Fault;
  if (insn.kind[0] == OperandKind::Gpr && insn.reg[0] == insn.reg[1]) return Step::Next;
  set_reg<T>(cpu, insn.reg[1], old);
  return Step::Next;
}

template <class T>
Step cmpxchg(Cpu& cpu, const Insn& insn) {
  const T wanted = get_gpr<T>(cpu, cpu::kRax);
  const T replacement = get_reg<T>(cpu, insn.reg[1]);
  T old{};
  // Memory is written in any case (SDM, CMPXCHG), with its own value on a mismatch; a register is not: it
  // keeps its upper half then.
  if (insn.kind[0] == OperandKind::Gpr) {
    old = get_reg<T>(cpu, insn.reg[0]);
    if (old == wanted) set_reg<T>(cpu, insn.reg[0], replacement);
    alu::sub<T>(cpu.flags, wanted, old);
    if (old != wanted) set_gpr<T>(cpu, cpu::kRax, old);
    return Step::Next;
  }
  const bool ok = Any<0>::update<T>(cpu, insn, [&](T a) {
    old = a;
    return a == wanted ? replacement : a;
  });
  if (!ok) return Step::Fault;
  alu::sub<T>(cpu.flags, wanted, old);
  if (old != wanted) set_gpr<T>(cpu, cpu::kRax, old);
  return Step::Next;
}

// MUL, IMUL and DIV with one operand: AL, AX, eAX and AH, DX, eDX.
template <class T>
void set_product(Cpu& cpu, typename alu::Wide<T>::U product) {
  if constexpr (sizeof(T) == 1) {
    set_gpr<u16>(cpu, cpu::kRax, product);
  } else {
    set_gpr<T>(cpu, cpu::kRax, static_cast<T>(product));
    set_gpr<T>(cpu, cpu::kRdx, static_cast<T>(product >> alu::kWidth<T>));
  }
}

template <class T>
Step mul(Cpu& cpu, const Insn& insn) {
  T b;
  if (!Any<0>::read<T>(cpu, insn, b)) return Step::Fault;
  set_product<T>(cpu, alu::mul<T>(cpu.flags, get_gpr<T>(cpu, cpu::kRax), b));
  return Step::Next;
}

template <class T>
Step imul_one_sized(Cpu& cpu, const Insn& insn) {
  T b;
  if (!Any<0>::read<T>(cpu, insn, b)) return Step::Fault;
  set_product<T>(cpu, alu::imul<T>(cpu.flags, get_gpr<T>(cpu, cpu::kRax), b));
  return Step::Next;
}

// IMUL r, r/m and IMUL r, r/m, imm.
template <class T, class S = Any<1>>
Step imul(Cpu& cpu, const Insn& insn) {
  T b;
  if (!S::template read<T>(cpu, insn, b)) return Step::Fault;
  const T a = insn.kind[2] == OperandKind::Imm ? static_cast<T>(insn.imm) : get_reg<T>(cpu, insn.reg[0]);
  set_reg<T>(cpu, insn.reg[0], static_cast<T>(alu::imul<T>(cpu.flags, a, b)));
  return Step::Next;
}

template <class T>
typename alu::Wide<T>::U dividend(const Cpu& cpu) {
  using U = typename alu::Wide<T>::U;
  if constexpr (sizeof(T) == 1) return get_gpr<u16>(cpu, cpu::kRax);
  else
    return static_cast<U>(static_cast<U>(get_gpr<T>(cpu, cpu::kRdx)) << alu::kWidth<T> |
                          get_gpr<T>(cpu, cpu::kRax));
}

template <class T>
void set_quotient(Cpu& cpu, T quotient, T remainder) {
  if constexpr (sizeof(T) == 1) {
    set_gpr<u16>(cpu, cpu::kRax, static_cast<u16>(remainder << 8 | quotient));
  } else {
    set_gpr<T>(cpu, cpu::kRax, quotient);
    set_gpr<T>(cpu, cpu::kRdx, remainder);
  }
}

template <class T>
Step div(Cpu& cpu, const Insn& insn) {
  T b;
  if (!Any<0>::read<T>(cpu, insn, b)) return Step::Fault;
  const auto a = dividend<T>(cpu);
  if (b == 0 || (a >> alu::kWidth<T>) >= b) return raise(cpu, fault(cpu::kDivideError));
  set_quotient<T>(cpu, static_cast<T>(a / b), static_cast<T>(a % b));
  return Step::Next;
}

template <class T>
Step idiv(Cpu& cpu, const Insn& insn) {
  using S = typename alu::Wide<T>::S;
  using N = std::make_signed_t<T>;
  T b;
  if (!Any<0>::read<T>(cpu, insn, b)) return Step::Fault;
  const S a = static_cast<S>(dividend<T>(cpu));
  const S d = static_cast<N>(b);
  const bool lowest =
      a == static_cast<S>(static_cast<typename alu::Wide<T>::U>(1) << (2 * alu::kWidth<T> - 1));
  if (d == 0 || (lowest && d == -1)) return raise(cpu, fault(cpu::kDivideError));
  const S q = static_cast<S>(a / d);
  if (q != static_cast<S>(static_cast<N>(q))) return raise(cpu, fault(cpu::kDivideError));
  set_quotient<T>(cpu, static_cast<T>(q), static_cast<T>(a % d));
  return Step::Next;
}

// ADCX and ADOX: add with CF or OF as the only flag read and written.
template <class T>
Step adcx(Cpu& cpu, const Insn& insn) {
  T b;
  if (!Any<1>::read<T>(cpu, insn, b)) return Step::Fault;
  T r;
  bool carry = __builtin_add_overflow(get_reg<T>(cpu, insn.reg[0]), b, &r);
  carry |= __builtin_add_overflow(r, static_cast<T>(cpu.flags.cf()), &r);
  cpu.flags.set_cf(carry);
  set_reg<T>(cpu, insn.reg[0], r);
  return Step::Next;
}
template <class T>
Step adox(Cpu& cpu, const Insn& insn) {
  T b;
  if (!Any<1>::read<T>(cpu, insn, b)) return Step::Fault;
  T r;
  bool carry = __builtin_add_overflow(get_reg<T>(cpu, insn.reg[0]), b, &r);
  carry |= __builtin_add_overflow(r, static_cast<T>(cpu.flags.of()), &r);
  cpu.flags.set_of(carry);
  set_reg<T>(cpu, insn.reg[0], r);
  return Step::Next;
}

}  // namespace tandem::semantics
