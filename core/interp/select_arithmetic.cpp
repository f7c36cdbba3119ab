#include "core/interp/select.h"
#include "core/isa/op.h"
#include "core/semantics/arithmetic.h"
#include "core/semantics/shift.h"

namespace tandem::interp {

namespace {

using cpu::Cpu;

// Names of function templates can't be template arguments: each is wrapped once.
#define TANDEM_OPERATION2(Name, function)        \
  struct Name {                                  \
    template <class T, class D, class S>         \
    static Step run(Cpu& c, const Insn& i) {     \
      return semantics::function<T, D, S>(c, i); \
    }                                            \
  }
#define TANDEM_OPERATION1(Name, function)     \
  struct Name {                               \
    template <class T, class D>               \
    static Step run(Cpu& c, const Insn& i) {  \
      return semantics::function<T, D>(c, i); \
    }                                         \
  }

TANDEM_OPERATION2(Add, add);
TANDEM_OPERATION2(Or, or_);
TANDEM_OPERATION2(Adc, adc);
TANDEM_OPERATION2(Sbb, sbb);
TANDEM_OPERATION2(And, and_);
TANDEM_OPERATION2(Sub, sub);
TANDEM_OPERATION2(Xor, xor_);
TANDEM_OPERATION2(Cmp, cmp);
TANDEM_OPERATION2(Test, test);
TANDEM_OPERATION2(Shl, shl);
TANDEM_OPERATION2(Shr, shr);
TANDEM_OPERATION2(Sar, sar);
TANDEM_OPERATION2(Rol, rol);
TANDEM_OPERATION2(Ror, ror);
TANDEM_OPERATION1(Inc, inc);
TANDEM_OPERATION1(Dec, dec);
TANDEM_OPERATION1(Neg, neg);
TANDEM_OPERATION1(Not, not_);

struct Imul {
  template <class T, class D, class S>
  static Step run(Cpu& c, const Insn& i) {
    return semantics::imul<T, S>(c, i);
  }
};

}  // namespace

const void* select_arithmetic(const Insn& insn) {
  using isa::Op;
  switch (insn.op) {
    case Op::ADD: return two_operands_sized<Add>(insn);
    case Op::OR: return two_operands_sized<Or>(insn);
    case Op::ADC: return two_operands_sized<Adc>(insn);
    case Op::SBB: return two_operands_sized<Sbb>(insn);
    case Op::AND: return two_operands_sized<And>(insn);
    case Op::SUB: return two_operands_sized<Sub>(insn);
    case Op::XOR: return two_operands_sized<Xor>(insn);
    case Op::CMP: return two_operands_sized<Cmp>(insn);
    case Op::TEST: return two_operands_sized<Test>(insn);
    case Op::SHL: return two_operands_sized<Shl>(insn);
    case Op::SHR: return two_operands_sized<Shr>(insn);
    case Op::SAR: return two_operands_sized<Sar>(insn);
    case Op::ROL: return two_operands_sized<Rol>(insn);
    case Op::ROR: return two_operands_sized<Ror>(insn);
    case Op::INC: return one_operand_sized<Inc>(insn);
    case Op::DEC: return one_operand_sized<Dec>(insn);
    case Op::NEG: return one_operand_sized<Neg>(insn);
    case Op::NOT: return one_operand_sized<Not>(insn);
    case Op::IMUL: return is_imm(insn, 1) ? nullptr : two_operands_sized<Imul>(insn);
    default: return nullptr;
  }
}

}  // namespace tandem::interp
