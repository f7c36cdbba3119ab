// Integer instructions as IR, with the flags that they set (SDM vol. 2; vol. 1, 3.4.3.1).
#include <llvm/IR/Intrinsics.h>

#include "core/isa/op.h"
#include "jit/base/op_kinds.h"
#include "jit/llvm/lifter.h"

namespace tandem::jit {

using isa::Op;
using isa::OperandKind;
using llvm::Value;

namespace {

bool is_memory(const isa::Insn& insn, unsigned n) { return insn.kind[n] == OperandKind::Mem; }

unsigned bits_of(Value* v) { return v->getType()->getIntegerBitWidth(); }

}  // namespace

bool Lifter::lift_integer() {
  if (insn().prefixes & isa::kLock) return false;
  return does_nothing(insn().op) || lift_arithmetic() || lift_move() || lift_bits() || lift_flag_move() ||
         lift_conditional() || lift_exchange() || lift_shift() || lift_double_shift() || lift_rotate() ||
         lift_rotate_with_carry() || lift_bmi_shift() || lift_multiply() || lift_divide();
}

// --- Flags ------------------------------------------------------------------------------------------------

void Lifter::sign_and_zero_conditions(Value* r) {
  conditions_ = {};
  conditions_[2] = b_.CreateICmpEQ(r, zero(r));
  conditions_[4] = b_.CreateICmpSLT(r, zero(r));
}

// ZF, SF and PF.
void Lifter::result_flags(Value* r) {
  sign_and_zero_conditions(r);
  set(Flag::Zf, conditions_[2]);
  set(Flag::Sf, conditions_[4]);
  Value* const low = b_.CreateTrunc(r, b_.getInt8Ty());
  Value* const ones = b_.CreateUnaryIntrinsic(llvm::Intrinsic::ctpop, low);
  set(Flag::Pf, b_.CreateNot(b_.CreateTrunc(ones, b_.getInt1Ty())));
}

void Lifter::adjust_flag(Value* a, Value* b, Value* r) {
  set(Flag::Af, bit(b_.CreateXor(b_.CreateXor(a, b), r), 4));
}

// a + b + carry, where carry may be null.
Value* Lifter::add_flags(Value* a, Value* b, Value* carry) {
  Value* const sum = b_.CreateBinaryIntrinsic(llvm::Intrinsic::uadd_with_overflow, a, b);
  Value *r = b_.CreateExtractValue(sum, 0), *out = b_.CreateExtractValue(sum, 1);
  if (carry) {
    Value* const more =
        b_.CreateBinaryIntrinsic(llvm::Intrinsic::uadd_with_overflow, r, b_.CreateZExt(carry, r->getType()));
    r = b_.CreateExtractValue(more, 0);
    out = b_.CreateOr(out, b_.CreateExtractValue(more, 1));
  }
  set(Flag::Cf, out);
  Value* const overflow = b_.CreateAnd(b_.CreateXor(a, r), b_.CreateXor(b, r));
  set(Flag::Of, b_.CreateICmpSLT(overflow, zero(r)));
  adjust_flag(a, b, r);
  result_flags(r);
  return r;
}

// a - b - borrow, where borrow may be null.
Value* Lifter::sub_flags(Value* a, Value* b, Value* borrow) {
  Value *r = b_.CreateSub(a, b), *out = b_.CreateICmpULT(a, b);
  if (borrow) {
    Value* const difference = b_.CreateBinaryIntrinsic(llvm::Intrinsic::usub_with_overflow, a, b);
    Value* const more =
        b_.CreateBinaryIntrinsic(llvm::Intrinsic::usub_with_overflow, b_.CreateExtractValue(difference, 0),
                                 b_.CreateZExt(borrow, r->getType()));
    r = b_.CreateExtractValue(more, 0);
    out = b_.CreateOr(b_.CreateExtractValue(difference, 1), b_.CreateExtractValue(more, 1));
  }
  set(Flag::Cf, out);
  Value* const overflow = b_.CreateAnd(b_.CreateXor(a, b), b_.CreateXor(a, r));
  set(Flag::Of, b_.CreateICmpSLT(overflow, zero(r)));
  adjust_flag(a, b, r);
  result_flags(r);
  if (borrow) return r;
  conditions_[1] = out;
  conditions_[2] = b_.CreateICmpEQ(a, b);
  conditions_[3] = b_.CreateICmpULE(a, b);
  conditions_[6] = b_.CreateICmpSLT(a, b);
  conditions_[7] = b_.CreateICmpSLE(a, b);
  return r;
}

void Lifter::logic_flags(Value* r) {
  for (const Flag f : {Flag::Cf, Flag::Of, Flag::Af}) set(f, b_.getFalse());
  result_flags(r);
  conditions_[1] = b_.getFalse();
  conditions_[3] = conditions_[2];
  conditions_[6] = conditions_[4];
  conditions_[7] = b_.CreateICmpSLE(r, zero(r));
}

// Condition codes as in the opcodes of Jcc (SDM vol. 1, appendix B), without their lowest bit.
Value* Lifter::even_condition(unsigned code) {
  if (Value* known = conditions_[code / 2]) return known;
  switch (code / 2) {
    case 0: return get(Flag::Of);
    case 1: return get(Flag::Cf);
    case 2: return get(Flag::Zf);
    case 3: return b_.CreateOr(get(Flag::Cf), get(Flag::Zf));
    case 4: return get(Flag::Sf);
    case 5: return get(Flag::Pf);
    case 6: return b_.CreateXor(get(Flag::Sf), get(Flag::Of));
    default: return b_.CreateOr(get(Flag::Zf), b_.CreateXor(get(Flag::Sf), get(Flag::Of)));
  }
}

Value* Lifter::condition(unsigned code) {
  Value* const even = even_condition(code);
  return code & 1 ? b_.CreateNot(even) : even;
}

// --- Arithmetic -------------------------------------------------------------------------------------------

bool Lifter::lift_arithmetic() {
  const Op op = insn().op;
  switch (op) {
    case Op::ADD:
    case Op::OR:
    case Op::ADC:
    case Op::SBB:
    case Op::AND:
    case Op::SUB:
    case Op::XOR:
    case Op::CMP:
    case Op::TEST: break;
    case Op::INC:
    case Op::DEC: {
      Value *const a = read_operand(0), *const one = constant(bits_of(a), 1);
      Value* const r = op == Op::INC ? b_.CreateAdd(a, one) : b_.CreateSub(a, one);
      write_operand(0, r);
      const u64 most = u64{1} << (bits_of(a) - 1);
      set(Flag::Of, b_.CreateICmpEQ(r, constant(bits_of(a), op == Op::INC ? most : most - 1)));
      adjust_flag(a, one, r);
      result_flags(r);
      return true;
    }
    case Op::NEG: {
      Value* const a = read_operand(0);
      write_operand(0, b_.CreateNeg(a));
      sub_flags(zero(a), a, nullptr);
      return true;
    }
    case Op::NOT: return write_operand(0, b_.CreateNot(read_operand(0))), true;
    default: return false;
  }
  Value *const a = read_operand(0), *const b = read_operand(1);
  // What sets flags comes behind what may be refused.
  Value* const carry = op == Op::ADC || op == Op::SBB ? get(Flag::Cf) : nullptr;
  const auto logic = [&](Value* r) {
    if (op != Op::TEST) write_operand(0, r);
    logic_flags(r);
    return true;
  };
  const auto with_carry = [&] { return b_.CreateZExt(carry, a->getType()); };
  switch (op) {
    case Op::OR: return logic(b_.CreateOr(a, b));
    case Op::AND:
    case Op::TEST: return logic(b_.CreateAnd(a, b));
    case Op::XOR: return logic(a == b ? zero(a) : b_.CreateXor(a, b));
    case Op::ADD: write_operand(0, b_.CreateAdd(a, b)); break;
    case Op::SUB: write_operand(0, b_.CreateSub(a, b)); break;
    case Op::ADC: write_operand(0, b_.CreateAdd(b_.CreateAdd(a, b), with_carry())); break;
    case Op::SBB: write_operand(0, b_.CreateSub(b_.CreateSub(a, b), with_carry())); break;
    default: break;
  }
  if (op == Op::ADD || op == Op::ADC) add_flags(a, b, carry);
  else sub_flags(a, b, carry);
  return true;
}

// --- Moves ------------------------------------------------------------------------------------------------

bool Lifter::lift_move() {
  const auto& i = insn();
  const auto sign_extend_half = [&](unsigned bits) {
    state_->write(isa::gpr_offset(kAx),
                  b_.CreateSExt(state_->read(isa::gpr_offset(kAx), bits / 16), b_.getIntNTy(bits)));
    return true;
  };
  const auto fill_with_sign = [&](unsigned bits) {
    state_->write(isa::gpr_offset(kDx),
                  b_.CreateAShr(state_->read(isa::gpr_offset(kAx), bits / 8), bits - 1));
    return true;
  };
  switch (i.op) {
    case Op::MOV:
    case Op::MOVNTI:
      if (is_memory(i, 1) && i.size == 4)
        state_->write(i.reg[0], load_extended(operand_address(), 4, 8, false));
      else write_operand(0, read_operand(1));
      return true;
    case Op::MOVBE:
    case Op::BSWAP: {
      if (i.size < 4 && i.op == Op::BSWAP) return false;
      Value* const v = read_operand(i.op == Op::BSWAP ? 0 : 1);
      write_operand(0, b_.CreateUnaryIntrinsic(llvm::Intrinsic::bswap, v));
      return true;
    }
    case Op::MOVZX:
    case Op::MOVSX:
    case Op::MOVSXD: {
      const bool sign = i.op != Op::MOVZX;
      if (is_memory(i, 1) && i.size >= 4 && i.src_size < i.size) {
        state_->write(i.reg[0], load_extended(operand_address(), i.src_size, i.size, sign));
        return true;
      }
      Value* const v = read_operand(1, i.src_size);
      llvm::Type* const type = b_.getIntNTy(8 * i.size);
      write_operand(0, sign ? b_.CreateSExtOrTrunc(v, type) : b_.CreateZExtOrTrunc(v, type));
      return true;
    }
    case Op::LEA:
      state_->write(i.reg[0], b_.CreateTrunc(effective_address(), b_.getIntNTy(8 * i.size)));
      return true;
    case Op::CBW: return sign_extend_half(16);
    case Op::CWDE: return sign_extend_half(32);
    case Op::CDQE: return sign_extend_half(64);
    case Op::CWD: return fill_with_sign(16);
    case Op::CDQ: return fill_with_sign(32);
    case Op::CQO: return fill_with_sign(64);
    default: return false;
  }
}

// --- Bits -------------------------------------------------------------------------------------------------

bool Lifter::lift_bits() {
  const Op op = insn().op;
  if (op == Op::ANDN) {
    Value* const r = b_.CreateAnd(b_.CreateNot(read_operand(1)), read_operand(2));
    write_operand(0, r);
    logic_flags(r);
    return true;
  }
  if (op != Op::BT && op != Op::BTS && op != Op::BTR && op != Op::BTC) return false;
  Value* const a = read_operand(0);
  Value* const n = b_.CreateAnd(read_operand(1), constant(bits_of(a), bits_of(a) - 1));
  Value* const one = b_.CreateShl(constant(bits_of(a), 1), n);
  if (op == Op::BTS) write_operand(0, b_.CreateOr(a, one));
  if (op == Op::BTR) write_operand(0, b_.CreateAnd(a, b_.CreateNot(one)));
  if (op == Op::BTC) write_operand(0, b_.CreateXor(a, one));
  conditions_ = {};
  set(Flag::Cf, b_.CreateTrunc(b_.CreateLShr(a, n), b_.getInt1Ty()));
  return true;
}

// --- Flags to and from elsewhere --------------------------------------------------------------------------

bool Lifter::lift_flag_move() {
  constexpr std::pair<Flag, unsigned> kInAh[] = {
      {Flag::Cf, 0}, {Flag::Pf, 2}, {Flag::Af, 4}, {Flag::Zf, 6}, {Flag::Sf, 7}};
  const auto cf = [&](Value* v) {
    set(Flag::Cf, v);
    conditions_ = {};
    return true;
  };
  switch (insn().op) {
    case Op::CLC: return cf(b_.getFalse());
    case Op::STC: return cf(b_.getTrue());
    case Op::CMC: return cf(b_.CreateNot(get(Flag::Cf)));
    case Op::LAHF: {
      Value* ah = b_.getInt8(2);
      for (const auto& [f, n] : kInAh)
        ah = b_.CreateOr(ah, b_.CreateShl(b_.CreateZExt(get(f), b_.getInt8Ty()), n));
      state_->write(isa::high_byte_offset(kAx), ah);
      return true;
    }
    case Op::SAHF: {
      Value* const ah = state_->read(isa::high_byte_offset(kAx), 1);
      for (const auto& [f, n] : kInAh) set(f, bit(ah, n));
      conditions_ = {};
      return true;
    }
    default: return false;
  }
}

bool Lifter::lift_conditional() {
  const Op op = insn().op;
  const Conditional kind = conditional(op);
  if (kind == Conditional::Set) {
    write_operand(0, b_.CreateZExt(condition(condition_code(op)), b_.getInt8Ty()));
    return true;
  }
  if (kind == Conditional::Move) {
    Value *const source = read_operand(1), *const old = read_operand(0);
    write_operand(0, b_.CreateSelect(condition(condition_code(op)), source, old));
    return true;
  }
  if (kind != Conditional::Jump) return false;
  const PlaceInRegion end = block().end();
  BasicBlock* const taken = way_to(end + static_cast<i64>(insn().imm));
  b_.CreateCondBr(condition(condition_code(op)), taken, way_to(end));
  ended_ = true;
  return true;
}

// Of registers; with memory they are locked.
bool Lifter::lift_exchange() {
  const auto& i = insn();
  if (is_memory(i, 0) || is_memory(i, 1)) return false;
  switch (i.op) {
    case Op::XCHG: {
      Value *const a = read_operand(0), *const b = read_operand(1);
      write_operand(0, b);
      write_operand(1, a);
      return true;
    }
    case Op::XADD: {
      Value *const a = read_operand(0), *const b = read_operand(1);
      Value* const r = add_flags(a, b, nullptr);
      write_operand(1, a);
      write_operand(0, r);
      return true;
    }
    default: return false;
  }
}

}  // namespace tandem::jit
