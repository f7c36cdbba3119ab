// Multiplication and division (SDM vol. 2, MUL, IMUL, MULX, DIV, IDIV).
#include <llvm/IR/Intrinsics.h>

#include "core/isa/op.h"
#include "jit/llvm/lifter.h"

namespace tandem::jit {

using isa::Op;
using llvm::Value;

namespace {

unsigned bits_of(Value* v) { return v->getType()->getIntegerBitWidth(); }

}  // namespace

bool Lifter::lift_multiply() {
  const auto& i = insn();
  const unsigned bits = 8 * i.size;
  llvm::Type* const type = b_.getIntNTy(bits);
  llvm::Type* const wide = b_.getIntNTy(2 * bits);
  // CF and OF say whether the upper half means anything; the manual leaves the others open.
  const auto flags = [&](Value* low, Value* lost) {
    set(Flag::Cf, lost);
    set(Flag::Of, lost);
    set(Flag::Af, b_.getFalse());
    result_flags(low);
  };
  switch (i.op) {
    case Op::IMUL: {
      const bool three = i.kind[2] != isa::OperandKind::None;
      Value *const a = read_operand(three ? 1 : 0), *const b = read_operand(three ? 2 : 1);
      Value* const product = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smul_with_overflow, a, b);
      Value* const low = b_.CreateExtractValue(product, 0);
      write_operand(0, low);
      flags(low, b_.CreateExtractValue(product, 1));
      return true;
    }
    case Op::MUL:
    case Op::IMUL_ONE: {
      const bool sign = i.op == Op::IMUL_ONE;
      const auto widen = [&](Value* v) { return sign ? b_.CreateSExt(v, wide) : b_.CreateZExt(v, wide); };
      Value* const b = read_operand(0);
      Value* const product = b_.CreateMul(widen(state_->read(isa::gpr_offset(kAx), i.size)), widen(b));
      Value* const low = b_.CreateTrunc(product, type);
      Value* const high = b_.CreateTrunc(b_.CreateLShr(product, bits), type);
      if (i.size == 1) {
        state_->write(isa::gpr_offset(kAx), product);
      } else {
        state_->write(isa::gpr_offset(kAx), low);
        state_->write(isa::gpr_offset(kDx), high);
      }
      flags(low, b_.CreateICmpNE(widen(low), product));
      return true;
    }
    case Op::MULX: {
      Value* const a = b_.CreateZExt(state_->read(isa::gpr_offset(kDx), i.size), wide);
      Value* const product = b_.CreateMul(a, b_.CreateZExt(read_operand(2), wide));
      write_operand(1, b_.CreateTrunc(product, type));
      write_operand(0, b_.CreateTrunc(b_.CreateLShr(product, bits), type));
      return true;
    }
    default: return false;
  }
}

// Of a dividend that is as wide as the divisor: others, and what raises #DE, are left to the interpreter.
bool Lifter::lift_divide() {
  const auto& i = insn();
  if (i.op != Op::DIV && i.op != Op::IDIV) return false;
  const bool sign = i.op == Op::IDIV;
  Value* const divisor = read_operand(0);
  const unsigned bits = bits_of(divisor);
  const u8 high_offset = i.size == 1 ? isa::high_byte_offset(kAx) : isa::gpr_offset(kDx);
  Value* const low = state_->read(isa::gpr_offset(kAx), i.size);
  Value* const high = state_->read(high_offset, i.size);
  Value* good = b_.CreateICmpEQ(high, sign ? b_.CreateAShr(low, bits - 1) : zero(low));
  good = b_.CreateAnd(good, b_.CreateICmpNE(divisor, zero(divisor)));
  if (sign) {
    Value* const is_least = b_.CreateICmpEQ(low, constant(bits, u64{1} << (bits - 1)));
    Value* const is_minus_one = b_.CreateICmpEQ(divisor, llvm::Constant::getAllOnesValue(low->getType()));
    good = b_.CreateAnd(good, b_.CreateNot(b_.CreateAnd(is_least, is_minus_one)));
  }
  BasicBlock* const on = new_block("on");
  branch_if(good, on, site());
  b_.SetInsertPoint(on);
  Value* const quotient = sign ? b_.CreateSDiv(low, divisor) : b_.CreateUDiv(low, divisor);
  Value* const rest = sign ? b_.CreateSRem(low, divisor) : b_.CreateURem(low, divisor);
  state_->write(isa::gpr_offset(kAx), quotient);
  state_->write(high_offset, rest);
  conditions_ = {};
  return true;
}

}  // namespace tandem::jit
