// Shifts and rotates (SDM vol. 2, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SARX/SHLX/SHRX, RORX).
#include <llvm/IR/Intrinsics.h>

#include "core/isa/op.h"
#include "jit/llvm/lifter.h"

namespace tandem::jit {

using isa::Op;
using llvm::Value;

namespace {

unsigned bits_of(Value* v) { return v->getType()->getIntegerBitWidth(); }

}  // namespace

// In twice the width nothing is lost, and counts up to 31 of small operands need no special case.
bool Lifter::lift_shift() {
  const Op op = insn().op;
  if (op != Op::SHL && op != Op::SHR && op != Op::SAR) return false;
  Value* const a = read_operand(0);
  const unsigned bits = bits_of(a), wide_bits = std::max(2 * bits, 64u);
  llvm::Type *const type = a->getType(), *const wide = b_.getIntNTy(wide_bits);
  Value* const count8 = b_.CreateAnd(read_operand(1, 1), b_.getInt8(bits == 64 ? 63 : 31));
  const auto* const known = llvm::dyn_cast<llvm::ConstantInt>(count8);
  if (known && known->isZero()) {
    write_operand(0, a);
    return true;
  }
  Value* const count = b_.CreateZExt(count8, wide);
  Value* const value = op == Op::SAR ? b_.CreateSExt(a, wide) : b_.CreateZExt(a, wide);
  Value *shifted, *last;
  if (op == Op::SHL) {
    shifted = b_.CreateShl(value, count);
    last = bit(shifted, bits);
  } else {
    shifted = op == Op::SAR ? b_.CreateAShr(value, count) : b_.CreateLShr(value, count);
    // Where the count is 0, nothing of this is used.
    Value* const before =
        b_.CreateAnd(b_.CreateSub(count, constant(wide_bits, 1)), constant(wide_bits, wide_bits - 1));
    last = b_.CreateTrunc(op == Op::SAR ? b_.CreateAShr(value, before) : b_.CreateLShr(value, before),
                          b_.getInt1Ty());
  }
  Value* const r = b_.CreateTrunc(shifted, type);
  write_operand(0, r);
  Value* const top = b_.CreateICmpSLT(r, zero(r));
  Value* const overflow = op == Op::SHL   ? b_.CreateXor(top, last)
                          : op == Op::SHR ? b_.CreateICmpSLT(a, zero(a))
                                          : static_cast<Value*>(b_.getFalse());
  shift_flags(count8, r, last, overflow);
  return true;
}

// A count of 0 leaves them alone; it is not the constant 0.
void Lifter::shift_flags(Value* count, Value* r, Value* carry, Value* overflow) {
  Value* old[kFlagCount];
  for (unsigned f = 0; f < kFlagCount; ++f) old[f] = get(static_cast<Flag>(f));
  set(Flag::Cf, carry);
  set(Flag::Of, overflow);
  set(Flag::Af, b_.getFalse());
  result_flags(r);
  if (llvm::isa<llvm::ConstantInt>(count)) return;
  Value* const none = b_.CreateICmpEQ(count, zero(count));
  for (unsigned f = 0; f < kFlagCount; ++f) {
    const auto flag = static_cast<Flag>(f);
    set(flag, b_.CreateSelect(none, old[f], get(flag)));
  }
  conditions_ = {};
}

// Of 32 or 64 bits: no count is beyond them.
bool Lifter::lift_double_shift() {
  const Op op = insn().op;
  if (op != Op::SHLD && op != Op::SHRD) return false;
  Value *const a = read_operand(0), *const more = read_operand(1);
  const unsigned bits = bits_of(a);
  Value* const count8 = b_.CreateAnd(read_operand(2, 1), b_.getInt8(static_cast<u8>(bits - 1)));
  const bool left = op == Op::SHLD;
  Value* const count = b_.CreateZExt(count8, a->getType());
  Value* const r = left ? b_.CreateIntrinsic(llvm::Intrinsic::fshl, {a->getType()}, {a, more, count})
                        : b_.CreateIntrinsic(llvm::Intrinsic::fshr, {a->getType()}, {more, a, count});
  write_operand(0, r);
  const auto* const known = llvm::dyn_cast<llvm::ConstantInt>(count8);
  if (known && known->isZero()) return true;
  // The bit that is shifted out last; where the count is 0, it is not used.
  Value* const last = left ? b_.CreateNeg(count) : b_.CreateSub(count, constant(bits, 1));
  Value* const out = b_.CreateLShr(a, b_.CreateAnd(last, constant(bits, bits - 1)));
  Value* const overflow = b_.CreateICmpSLT(b_.CreateXor(a, r), zero(r));
  shift_flags(count8, r, b_.CreateTrunc(out, b_.getInt1Ty()), overflow);
  return true;
}

// By one.
bool Lifter::lift_rotate_with_carry() {
  const Op op = insn().op;
  if (op != Op::RCL && op != Op::RCR) return false;
  Value* const a = read_operand(0);
  const unsigned bits = bits_of(a);
  Value *const carry = b_.CreateZExt(get(Flag::Cf), a->getType()), *const one = constant(bits, 1);
  Value* const is_negative = b_.CreateICmpSLT(a, zero(a));
  const bool left = op == Op::RCL;
  Value* const r = left ? b_.CreateOr(b_.CreateShl(a, one), carry)
                        : b_.CreateOr(b_.CreateLShr(a, one), b_.CreateShl(carry, bits - 1));
  write_operand(0, r);
  set(Flag::Cf, left ? is_negative : b_.CreateTrunc(a, b_.getInt1Ty()));
  set(Flag::Of, b_.CreateXor(is_negative, b_.CreateICmpSLT(r, zero(r))));
  conditions_ = {};
  return true;
}

// SF, ZF, AF and PF stay (SDM vol. 2, RCL/RCR/ROL/ROR).
bool Lifter::lift_rotate() {
  const Op op = insn().op;
  if (op != Op::ROL && op != Op::ROR) return false;
  Value* const a = read_operand(0);
  const unsigned bits = bits_of(a);
  Value* const count8 = b_.CreateAnd(read_operand(1, 1), b_.getInt8(bits == 64 ? 63 : 31));
  Value* const count = b_.CreateZExtOrTrunc(count8, a->getType());
  const auto id = op == Op::ROL ? llvm::Intrinsic::fshl : llvm::Intrinsic::fshr;
  Value* const r = b_.CreateIntrinsic(id, {a->getType()}, {a, a, count});
  write_operand(0, r);
  Value* const top = b_.CreateICmpSLT(r, zero(r));
  Value* const carry = op == Op::ROL ? b_.CreateTrunc(r, b_.getInt1Ty()) : top;
  Value* const overflow = b_.CreateXor(top, op == Op::ROL ? carry : bit(r, bits - 2));
  Value* const none = b_.CreateICmpEQ(count8, b_.getInt8(0));
  set_unless(none, Flag::Cf, carry);
  set_unless(none, Flag::Of, overflow);
  conditions_ = {};
  return true;
}

// Without flags.
bool Lifter::lift_bmi_shift() {
  const Op op = insn().op;
  if (op != Op::SHLX && op != Op::SHRX && op != Op::SARX && op != Op::RORX) return false;
  Value* const a = read_operand(1);
  Value* const count = b_.CreateAnd(read_operand(2), constant(bits_of(a), bits_of(a) - 1));
  Value* r = nullptr;
  switch (op) {
    case Op::SHLX: r = b_.CreateShl(a, count); break;
    case Op::SHRX: r = b_.CreateLShr(a, count); break;
    case Op::SARX: r = b_.CreateAShr(a, count); break;
    default: r = b_.CreateIntrinsic(llvm::Intrinsic::fshr, {a->getType()}, {a, a, count});
  }
  write_operand(0, r);
  return true;
}

}  // namespace tandem::jit
