// Repeated string instructions. MOVS and STOS are the host's own. Comparisons go over what decides nothing by
// vectors, and leave the rest, flags included, to the host's own.
#include <fmt/format.h>

#include "core/isa/op.h"
#include "jit/llvm/liftable.h"
#include "jit/llvm/lifter.h"

namespace tandem::jit {

using llvm::Value;

namespace {

// Nobody is listened to meanwhile, and no guard about a region is so narrow.
constexpr u64 kMostElements = 0x10000;

bool compares(StringKind kind) { return kind == StringKind::Scan || kind == StringKind::Compare; }
const char* name_of(u8 reg) { return reg == kSi ? "rsi" : "rdi"; }

}  // namespace

bool Lifter::lift_string() {
  if (!is_flat_repetition(insn())) return false;
  const StringKind kind = string_kind(insn().op);
  look_at_direction();
  Value* const count = state_->gpr(kCx);
  BasicBlock *const few = new_block("few"), *const behind = new_block("behind");
  branch_if(b_.CreateICmpULT(count, b_.getInt64(kMostElements)), few, site());
  b_.SetInsertPoint(few);
  if (compares(kind)) {
    BasicBlock* const some = new_block("some");
    branch_if(b_.CreateICmpNE(count, zero(count)), some, behind);
    b_.SetInsertPoint(some);
  }
  std::vector<StringRow> rows;
  if (has_source(kind)) rows.push_back(string_row(kSi));
  rows.push_back(string_row(kDi));
  if (compares(kind)) skip_by_vectors(rows);
  run_string(kind, rows);
  b_.CreateBr(behind);
  b_.SetInsertPoint(behind);
  conditions_ = {};
  return true;
}

// No region changes it.
void Lifter::look_at_direction() {
  Value* const flags = state_->load_field(b_.getInt64Ty(), layout_.rflags);
  BasicBlock* const upwards = new_block("upwards");
  branch_if(b_.CreateICmpEQ(b_.CreateAnd(flags, b_.getInt64(cpu::kDf)), zero(flags)), upwards, site());
  b_.SetInsertPoint(upwards);
}

// In whichever region it is.
Lifter::StringRow Lifter::string_row(u8 reg) {
  Value* const key = b_.CreateLShr(state_->gpr(reg), interp::TierFrame::kRegionShift);
  Value *addend = addends_[0], *found = b_.CreateICmpEQ(key, keys_[0]);
  for (unsigned r = 1; r < interp::TierFrame::kRegions; ++r) {
    Value* const is_here = b_.CreateICmpEQ(key, keys_[r]);
    addend = b_.CreateSelect(is_here, addends_[r], addend);
    found = b_.CreateOr(found, is_here);
  }
  BasicBlock* const on = new_block("on");
  branch_if(found, on, site());
  b_.SetInsertPoint(on);
  return {reg, addend};
}

Value* Lifter::load_elements(const StringRow& row, unsigned bytes) {
  HostCode code;
  code.text = bytes == 32 ? "vmovdqu ($1), $0" : "movdqu ($1), $0";
  code.outputs = {"=x"};
  code.types = {llvm::FixedVectorType::get(b_.getIntNTy(8 * insn().size), bytes / insn().size)};
  add_inputs(code, {.base = b_.CreateAdd(state_->gpr(row.reg), row.addend)});
  return run_or_site(code)[0];
}

// As long as there is more than a vector of them, and none ends the repetition: at least one is left.
void Lifter::skip_by_vectors(std::span<const StringRow> rows) {
  const unsigned bytes = __builtin_cpu_supports("avx2") ? 32 : 16, elements = bytes / insn().size;
  BasicBlock *const head = new_block("more"), *const compare = new_block("compare"),
                    *const skip = new_block("skip"), *const last = new_block("last");
  b_.CreateBr(head);
  b_.SetInsertPoint(head);
  Value* const count = state_->gpr(kCx);
  branch_if(b_.CreateICmpUGT(count, b_.getInt64(elements)), compare, last);

  b_.SetInsertPoint(compare);
  Value* const a = load_elements(rows[0], bytes);
  Value* const b = rows.size() > 1
                       ? load_elements(rows[1], bytes)
                       : b_.CreateVectorSplat(elements, state_->read(isa::gpr_offset(kAx), insn().size));
  const bool until_equal = insn().prefixes & isa::kRepne;
  Value* const ends = until_equal ? b_.CreateICmpEQ(a, b) : b_.CreateICmpNE(a, b);
  b_.CreateCondBr(b_.CreateOrReduce(ends), last, skip);

  b_.SetInsertPoint(skip);
  for (const StringRow& row : rows)
    state_->set_gpr(row.reg, b_.CreateAdd(state_->gpr(row.reg), b_.getInt64(bytes)));
  state_->set_gpr(kCx, b_.CreateSub(count, b_.getInt64(elements)));
  b_.CreateBr(head);
  b_.SetInsertPoint(last);
}

// Where an element is refused, those before it are done.
void Lifter::run_string(StringKind kind, std::span<const StringRow> rows) {
  HostCode code;
  std::vector<HostResult> results;
  const auto add = [&](u8 reg, const char* name, Value* v) {
    code.outputs.push_back(fmt::format("={{{}}}", name));
    code.types.push_back(b_.getInt64Ty());
    code.inputs.push_back(fmt::format("{{{}}}", name));
    code.values.push_back(v);
    results.push_back({HostResult::Kind::Gpr, reg});
  };
  for (const StringRow& row : rows)
    add(row.reg, name_of(row.reg), b_.CreateAdd(state_->gpr(row.reg), row.addend));
  add(kCx, "rcx", state_->gpr(kCx));
  if (!has_source(kind)) {
    code.inputs.push_back("{rax}");
    code.values.push_back(state_->gpr(kAx));
  }
  code.text = byte_text(decoded().bytes);
  if (compares(kind)) flags_for_host(code, results);
  BasicBlock* const refused = new_block("refused");
  Value* const result = run_or(code, refused);
  const auto take = [&] {
    std::vector<Value*> values = results_of(code, result);
    for (std::size_t n = 0; n < rows.size(); ++n) values[n] = b_.CreateSub(values[n], rows[n].addend);
    take_registers(values, results);
    return values;
  };
  const std::vector<Value*> values = take();
  if (compares(kind)) take_flags(values, results);
  const llvm::IRBuilder<>::InsertPointGuard guard(b_);
  b_.SetInsertPoint(refused);
  take();
  leave_to_site();
}

}  // namespace tandem::jit
