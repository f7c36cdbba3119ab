// x87 state is the host's own while a region runs, and so are nearly all instructions on it, and those of
// MMX: lift_host.cpp. All exceptions are masked meanwhile, so that none becomes pending.
#include <fmt/format.h>

#include <optional>

#include "core/isa/op.h"
#include "jit/llvm/lifter.h"

namespace tandem::jit {

using llvm::Value;

namespace {

// As in the opcode of Jcc.
std::optional<unsigned> condition_of(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_FCMOVB: return 2;
    case ZYDIS_MNEMONIC_FCMOVNB: return 3;
    case ZYDIS_MNEMONIC_FCMOVE: return 4;
    case ZYDIS_MNEMONIC_FCMOVNE: return 5;
    case ZYDIS_MNEMONIC_FCMOVBE: return 6;
    case ZYDIS_MNEMONIC_FCMOVNBE: return 7;
    case ZYDIS_MNEMONIC_FCMOVU: return 10;
    case ZYDIS_MNEMONIC_FCMOVNU: return 11;
    default: return {};
  }
}

}  // namespace

bool Lifter::lift_x87() {
  if (insn().op != isa::Op::HOST) return false;
  const ZydisMnemonic m = decoded().insn.mnemonic;
  if (m == ZYDIS_MNEMONIC_FLDCW) return lift_load_of_control(), true;
  const auto code = condition_of(m);
  if (code) lift_conditional_x87(*code);
  return code.has_value();
}

// What it loads is what was looked at, whoever writes to memory meanwhile.
void Lifter::lift_load_of_control() {
  constexpr u64 kMasks = 0x3f;
  Value* const control = b_.CreateZExt(load(operand_address(), 2), b_.getInt64Ty());
  BasicBlock* const masked = new_block("masked");
  Value* const masks = b_.CreateAnd(control, b_.getInt64(kMasks));
  branch_if(b_.CreateICmpEQ(masks, b_.getInt64(kMasks)), masked, site());
  b_.SetInsertPoint(masked);
  HostCode code;
  code.text = "pushq $0\nfldcw (%rsp)\nleaq 8(%rsp), %rsp";
  code.inputs = {"r"};
  code.values = {control};
  code.has_effects = true;
  run(code);
}

// FCMOVNE, on whether the condition holds.
void Lifter::lift_conditional_x87(unsigned condition_code) {
  const unsigned source = decoded().insn.raw.modrm.rm;
  HostCode code;
  code.text = fmt::format("testb $0, $0\n.byte 0xdb,{:#x}", 0xc8 + source);
  code.inputs = {"q"};
  code.values = {b_.CreateZExt(condition(condition_code), b_.getInt8Ty())};
  code.has_effects = true;
  run(code);
}

}  // namespace tandem::jit
