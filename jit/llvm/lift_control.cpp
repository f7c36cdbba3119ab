// The stack, and branches by what is on it or in registers.
#include "core/isa/op.h"
#include "jit/llvm/lifter.h"

namespace tandem::jit {

using isa::Op;
using llvm::Value;

namespace {

constexpr i64 kWord = 8;

}  // namespace

// second: the instruction has a memory operand, too.
void Lifter::push(Value* v, bool second) {
  store(stack_address(kSp, -kWord, second), v);
  state_->set_gpr(kSp, b_.CreateSub(state_->gpr(kSp), b_.getInt64(kWord)));
}

// bytes: how much of the stack goes.
Value* Lifter::pop(unsigned bytes) {
  Value* const v = load(stack_address(kSp, 0, false), kWord);
  state_->set_gpr(kSp, b_.CreateAdd(state_->gpr(kSp), b_.getInt64(bytes)));
  return v;
}

bool Lifter::lift_stack() {
  switch (insn().op) {
    case Op::PUSH: push(read_operand(0), decoded().memory); return true;
    case Op::POP: state_->write(insn().reg[0], pop(kWord)); return true;
    case Op::LEAVE: {
      Value* const v = load(stack_address(kBp, 0, false), kWord);
      state_->set_gpr(kSp, b_.CreateAdd(state_->gpr(kBp), b_.getInt64(kWord)));
      state_->set_gpr(kBp, v);
      return true;
    }
    default: return false;
  }
}

bool Lifter::lift_branch() {
  const PlaceInRegion end = block().end();
  switch (insn().op) {
    case Op::JMP: go_to(end + static_cast<i64>(insn().imm)); return true;
    case Op::CALL:
      push(code_address(end), false);
      go_to(end + static_cast<i64>(insn().imm));
      return true;
    case Op::CALL_INDIRECT: {
      Value* const target = read_operand(0);
      push(code_address(end), decoded().memory);
      go_to_target(target, block().targets);
      return true;
    }
    case Op::JMP_INDIRECT: go_to_target(read_operand(0), block().targets); return true;
    case Op::RET:
      go_to_target(pop(kWord + (insn().kind[0] == isa::OperandKind::Imm ? insn().imm & 0xffff : 0)),
                   flow_.return_places(block_number_));
      return true;
    default: return false;
  }
}

void Lifter::go_to_target(Value* target, const std::vector<PlaceInRegion>& places) {
  ended_ = true;
  BasicBlock* const elsewhere = new_block("elsewhere");
  llvm::SwitchInst* const way = b_.CreateSwitch(b_.CreateSub(target, page_), elsewhere);
  for (const PlaceInRegion place : places)
    if (flow_.find_block(place)) way->addCase(b_.getInt64(static_cast<u64>(place)), way_to(place));
  b_.SetInsertPoint(elsewhere);
  state_->store_field(target, layout_.rip);
  leave({.kind = RegionExit::Kind::Indirect, .block = block_number_, .insn = insn_number_}, kAllFlags);
}

}  // namespace tandem::jit
