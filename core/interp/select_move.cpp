#include "core/interp/select.h"
#include "core/isa/op.h"
#include "core/semantics/move.h"
#include "core/semantics/stack.h"

namespace tandem::interp {

namespace {

using cpu::Cpu;

struct Mov {
  template <class T, class D, class S>
  static Step run(Cpu& c, const Insn& i) {
    return semantics::mov<T, D, S>(c, i);
  }
};
struct Lea {
  template <class T, class D>
  static Step run(Cpu& c, const Insn& i) {
    semantics::set_reg<T>(c, i.reg[0], static_cast<T>(Flat::address(c, i)));
    return Step::Next;
  }
};
struct Push {
  template <class T, class S>
  static Step run(Cpu& c, const Insn& i) {
    return semantics::push<T, S>(c, i);
  }
};
// POP into a register other than rSP.
struct PopReg {
  template <class T, class D>
  static Step run(Cpu& c, const Insn& i) {
    T v;
    if (!semantics::peek_value<T>(c, v)) return Step::Fault;
    semantics::drop(c, sizeof(T));
    semantics::set_reg<T>(c, i.reg[0], v);
    return Step::Next;
  }
};

template <class From>
struct Extend {
  template <class T, class D, class S>
  static Step run(Cpu& c, const Insn& i) {
    return semantics::extend<T, From, S>(c, i);
  }
};

template <class From>
const void* extension(const Insn& insn) {
  return by_size(insn, []<class T>(const Insn& i) -> const void* {
    if (is_reg(i, 1)) return address<form2<Extend<From>, T, Reg<0>, Reg<1>>>();
    if (is_flat(i, 1)) return address<form2<Extend<From>, T, Reg<0>, Flat>>();
    return nullptr;
  });
}

const void* select_extension(const Insn& insn) {
  if (insn.op == isa::Op::MOVZX) return insn.src_size == 1 ? extension<u8>(insn) : extension<u16>(insn);
  switch (insn.src_size) {
    case 1: return extension<i8>(insn);
    case 2: return extension<i16>(insn);
    default: return extension<i32>(insn);
  }
}

template <class Op>
const void* stack_form(const Insn& i) {
  if (!is_reg(i, 0)) return nullptr;
  if (i.size == 8) return address<form1<Op, u64, Reg<0>>>();
  if (i.size == 4) return address<form1<Op, u32, Reg<0>>>();
  return nullptr;
}

}  // namespace

const void* select_move(const Insn& insn) {
  using isa::Op;
  switch (insn.op) {
    case Op::MOV: return two_operands_sized<Mov>(insn);
    case Op::MOVZX:
    case Op::MOVSX:
    case Op::MOVSXD: return select_extension(insn);
    case Op::LEA:
      if (insn.address_size != 8) return nullptr;
      return by_size(insn, []<class T>(const Insn&) { return address<form1<Lea, T, Reg<0>>>(); });
    case Op::PUSH: return stack_form<Push>(insn);
    case Op::POP: return insn.reg[0] == isa::gpr_offset(cpu::kRsp) ? nullptr : stack_form<PopReg>(insn);
    default: return nullptr;
  }
}

}  // namespace tandem::interp
