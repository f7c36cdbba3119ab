// Picks instantiations of an operation by operand size and form.
#pragma once

#include "core/interp/handlers.h"

namespace tandem::interp {

using semantics::Flat;
using semantics::Imm;
using semantics::Reg;

inline bool is_reg(const Insn& insn, unsigned n) { return insn.kind[n] == isa::OperandKind::Gpr; }
inline bool is_imm(const Insn& insn, unsigned n) { return insn.kind[n] == isa::OperandKind::Imm; }
inline bool is_flat(const Insn& insn, unsigned n) {
  return insn.kind[n] == isa::OperandKind::Mem && insn.address_form == isa::AddressForm::Flat64;
}

// Op::run<T, D, S>(Cpu&, const Insn&) as a handler.
template <class Op, class T, class D, class S>
TANDEM_HANDLER void form2(Context& c, const Insn* insn) {
  c.current = insn;
  if (Op::template run<T, D, S>(c, *insn) != Step::Next) [[unlikely]] {
    c.left = Step::Fault;
    return;
  }
  ++insn;
  [[clang::musttail]] return handler_of(insn)(c, insn);
}
template <class Op, class T, class D>
TANDEM_HANDLER void form1(Context& c, const Insn* insn) {
  c.current = insn;
  if (Op::template run<T, D>(c, *insn) != Step::Next) [[unlikely]] {
    c.left = Step::Fault;
    return;
  }
  ++insn;
  [[clang::musttail]] return handler_of(insn)(c, insn);
}

template <class Op, class T>
const void* two_operands(const Insn& i) {
  if (is_reg(i, 0)) {
    if (is_reg(i, 1)) return address<form2<Op, T, Reg<0>, Reg<1>>>();
    if (is_imm(i, 1)) return address<form2<Op, T, Reg<0>, Imm>>();
    if (is_flat(i, 1)) return address<form2<Op, T, Reg<0>, Flat>>();
  } else if (is_flat(i, 0)) {
    if (is_reg(i, 1)) return address<form2<Op, T, Flat, Reg<1>>>();
    if (is_imm(i, 1)) return address<form2<Op, T, Flat, Imm>>();
  }
  return nullptr;
}
template <class Op, class T>
const void* one_operand(const Insn& i) {
  if (is_reg(i, 0)) return address<form1<Op, T, Reg<0>>>();
  if (is_flat(i, 0)) return address<form1<Op, T, Flat>>();
  return nullptr;
}

template <class F>
const void* by_size(const Insn& i, F f) {
  switch (i.size) {
    case 1: return f.template operator()<u8>(i);
    case 2: return f.template operator()<u16>(i);
    case 4: return f.template operator()<u32>(i);
    default: return f.template operator()<u64>(i);
  }
}
template <class Op>
const void* two_operands_sized(const Insn& i) {
  return by_size(i, []<class T>(const Insn& n) { return two_operands<Op, T>(n); });
}
template <class Op>
const void* one_operand_sized(const Insn& i) {
  return by_size(i, []<class T>(const Insn& n) { return one_operand<Op, T>(n); });
}

}  // namespace tandem::interp
