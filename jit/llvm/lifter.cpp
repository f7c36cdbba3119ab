#include "jit/llvm/lifter.h"

#include <llvm/IR/MDBuilder.h>

#include <algorithm>

#include "core/isa/op.h"
#include "jit/base/flag_use.h"
#include "jit/llvm/liftable.h"
#include "jit/llvm/usage.h"

namespace tandem::jit {

using isa::Insn;
using isa::Op;
using llvm::Value;
using Exit = RegionExit::Kind;

LiftedRegion lift(const RegionPlan& plan, const Layout& layout, const std::string& name) {
  LiftedRegion out;
  out.context = std::make_unique<llvm::LLVMContext>();
  out.module = std::make_unique<llvm::Module>(name, *out.context);
  Lifter(plan, layout, out, name).run();
  return out;
}

Lifter::Lifter(const RegionPlan& plan, const Layout& layout, LiftedRegion& out, const std::string& name)
    : plan_(plan), flow_(plan), layout_(layout), out_(out), context_(*out.context), b_(context_) {
  auto* const type = llvm::FunctionType::get(b_.getInt32Ty(), {b_.getPtrTy()}, false);
  function_ = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, out.module.get());
  function_->addFnAttr(llvm::Attribute::NoUnwind);
  function_->addFnAttr(llvm::Attribute::NoRedZone);
  // RBP is a guest register where an instruction of the host's needs it.
  function_->addFnAttr("no-realign-stack");
  function_->addParamAttr(0, llvm::Attribute::NoAlias);
  decode();
  find_live_flags();
  facts_ = std::make_unique<FactsOfRegion>(plan, decoded_, flow_.edges());
}

void Lifter::run() {
  enter();
  for (block_number_ = 0; block_number_ < plan_.blocks.size(); ++block_number_) lift_block();
}

void Lifter::decode() {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  for (const PlanBlock& p : plan_.blocks) {
    std::vector<Decoded>& insns = decoded_.emplace_back(p.insns.size());
    for (std::size_t i = 0; i < p.insns.size(); ++i) jit::decode(decoder, p.insns[i], p.bytes, insns[i]);
  }
}

// At least those that tier 1 keeps: it goes on behind a site.
void Lifter::find_live_flags() {
  for (std::size_t n = 0; n < decoded_.size(); ++n) {
    std::vector<FlagUse> uses;
    for (std::size_t i = 0; i < decoded_[n].size(); ++i) {
      const bool is_executed = plan_.blocks[n].leaves[i] || is_flat_repetition(plan_.blocks[n].insns[i]);
      FlagUse use = is_executed ? kExecutedFlags : flag_use(decoded_[n][i].insn);
      if (plan_.settings.exact_flags) use.reads = kAllFlags;
      uses.push_back(use);
    }
    live_flags(uses, live_.emplace_back());
  }
}

Usage Lifter::find_usage() const {
  Usage usage;
  for (std::size_t n = 0; n < decoded_.size(); ++n)
    for (std::size_t i = 0; i < decoded_[n].size(); ++i) {
      if (plan_.blocks[n].leaves[i]) continue;
      const Decoded& d = decoded_[n][i];
      add_usage(usage, d, plan_.settings.widest_vector);
      usage.mxcsr |= plan_.blocks[n].insns[i].op == Op::HOST && d.insn.meta.isa_ext != ZYDIS_ISA_EXT_X87;
    }
  if (usage.clears_upper) usage.vectors_written |= usage.vectors & GuestState::kHaveUpper;
  return usage;
}

// --- Blocks -----------------------------------------------------------------------------------------------

void Lifter::enter() {
  b_.SetInsertPoint(new_block("entry"));
  usage_ = find_usage();
  const bool wide = usage_.vector_bytes > 16;
  out_.vectors = {.used = usage_.mxcsr || usage_.vectors != 0,
                  .x87 = usage_.x87,
                  .wide = wide && usage_.vectors_written != 0,
                  .clears_upper = usage_.clears_upper,
                  .whole = wide ? usage_.vectors : 0};
  state_ = std::make_unique<GuestState>(b_, layout_, function_->getArg(0), usage_);
  state_->load();
  page_ = state_->load_field(b_.getInt64Ty(), layout_.page);
  for (unsigned r = 0; r < interp::TierFrame::kRegions; ++r) {
    keys_.push_back(state_->load_field(b_.getInt64Ty(), layout_.region_key(r)));
    addends_.push_back(state_->load_field(b_.getInt64Ty(), layout_.region_addend(r)));
  }
  for (std::size_t i = 0; i < plan_.blocks.size(); ++i) heads_.push_back(new_block("block"));
  now_.know({kSp, AddressKey::kNone, 0}, {interp::TierFrame::kStackRegion, 0, 0});
  BasicBlock* const refused = new_block("refused");
  check_placed(refused);
  check_for(0, refused);
  b_.CreateBr(heads_[0]);
  b_.SetInsertPoint(refused);
  leave({}, 0);
}

// What the block at `to` relies on and is not known here.
void Lifter::check_for(u32 to, BasicBlock* otherwise) {
  for (const auto& [key, fact] : facts_->at_head(to).all()) {
    const auto known = now_.find(key);
    if (known && known->region == fact.region && known->low >= fact.low && known->high <= fact.high) continue;
    check_region(value_of(key), fact.region, otherwise);
  }
}

void Lifter::lift_block() {
  b_.SetInsertPoint(heads_[block_number_]);
  now_ = facts_->at_head(block_number_);
  ended_ = false;
  conditions_ = {};
  insn_number_ = 0;
  if (plan_.settings.exact_count) look_for_attention(block().at);
  count_block();
  for (; insn_number_ < block().insns.size() && !ended_; ++insn_number_) {
    site_ = nullptr;
    if (const u32 end = run_end(); end > insn_number_) {
      lift_run(end);
      continue;
    }
    lift_insn();
    follow_insn(now_);
  }
  if (ended_) return;
  --insn_number_;
  go_to(block().end());
}

void Lifter::follow_insn(Facts& facts) const {
  follow(facts, insn(), decoded(), region_of_access(false), region_of_access(true));
}

// Behind a block, not at the head of the next: what its flags are made of is known here, and they need to be
// made only where somebody asks.
void Lifter::look_for_attention(PlaceInRegion next) {
  auto* const requests = b_.CreateLoad(b_.getInt32Ty(), state_->field(layout_.requests), /*isVolatile=*/true);
  BasicBlock *const on = new_block("on"), *const asked = new_block("asked");
  branch_if(b_.CreateICmpEQ(requests, b_.getInt32(0)), on, asked);
  b_.SetInsertPoint(asked);
  leave({.kind = Exit::Attention, .at = next}, kAllFlags);
  b_.SetInsertPoint(on);
}

void Lifter::count_block() {
  Value* const left = b_.CreateSub(state_->remaining(), b_.getInt64(block().insns.size()));
  if (plan_.settings.limited) {
    BasicBlock *const on = new_block("on"), *const spent = new_block("spent");
    branch_if(b_.CreateICmpSGE(left, b_.getInt64(0)), on, spent);
    b_.SetInsertPoint(spent);
    leave({.kind = Exit::Attention, .at = block().at}, kAllFlags);
    b_.SetInsertPoint(on);
  }
  state_->set_remaining(left);
}

void Lifter::lift_insn() {
  if (block().leaves[insn_number_]) {
    b_.CreateBr(site());
    ended_ = true;
    return;
  }
  if (insn().op == Op::VZEROUPPER) return state_->clear_upper_vectors();
  if (!lift_integer() && !lift_string() && !lift_stack() && !lift_branch() && !lift_x87() && !lift_tsc())
    lift_as_host();
}

// --- Ways out ---------------------------------------------------------------------------------------------

void Lifter::branch_if(Value* condition, BasicBlock* likely, BasicBlock* unlikely) {
  b_.CreateCondBr(condition, likely, unlikely, llvm::MDBuilder(context_).createBranchWeights(kOften, 1));
}

// flags: those that matter.
void Lifter::leave(const RegionExit& exit, u32 flags) {
  state_->store(flags);
  b_.CreateRet(b_.getInt32(static_cast<u32>(out_.exits.size())));
  out_.exits.push_back(exit);
}

// Where the present instruction is left to the interpreter.
llvm::BasicBlock* Lifter::site() {
  if (site_) return site_;
  const llvm::IRBuilder<>::InsertPointGuard guard(b_);
  site_ = new_block("site");
  b_.SetInsertPoint(site_);
  leave_to_site();
  return site_;
}

void Lifter::leave_to_site() {
  if (insn_number_ < block().counted_from)
    state_->set_remaining(b_.CreateAdd(state_->remaining(), b_.getInt64(block().insns.size())));
  leave({Exit::Site, 0, block_number_, insn_number_}, live_[block_number_][insn_number_]);
}

void Lifter::go_to(PlaceInRegion at) {
  ended_ = true;
  if (const auto to = flow_.find_block(at)) return go_to_block(*to);
  leave({.kind = Exit::Block, .at = at}, kAllFlags);
}

void Lifter::go_to_block(u32 to) {
  const bool back = std::ranges::any_of(
      flow_.edges(), [&](const auto& e) { return e.back && e.from == block_number_ && e.to == to; });
  if (facts_->is_loop(to) && !back) {
    const Facts before = now_;
    follow_insn(now_);
    BasicBlock* const otherwise = new_block("unknown");
    check_for(to, otherwise);
    now_ = before;
    const llvm::IRBuilder<>::InsertPointGuard guard(b_);
    b_.SetInsertPoint(otherwise);
    leave({.kind = Exit::Block, .at = plan_.blocks[to].at}, kAllFlags);
  }
  if (back && !plan_.settings.exact_count) look_for_attention(plan_.blocks[to].at);
  b_.CreateBr(heads_[to]);
}

llvm::BasicBlock* Lifter::way_to(PlaceInRegion at) {
  const llvm::IRBuilder<>::InsertPointGuard guard(b_);
  BasicBlock* const way = new_block("way");
  b_.SetInsertPoint(way);
  go_to(at);
  return way;
}

llvm::Value* Lifter::code_address(PlaceInRegion at) {
  return b_.CreateAdd(page_, b_.getInt64(static_cast<u64>(at)));
}

// --- Operands ---------------------------------------------------------------------------------------------

llvm::Value* Lifter::read_operand(unsigned n, unsigned size) {
  switch (insn().kind[n]) {
    case isa::OperandKind::Gpr: return state_->read(insn().reg[n], size);
    case isa::OperandKind::Mem: return load(operand_address(), size);
    default: return immediate(size);
  }
}

void Lifter::write_operand(unsigned n, Value* v) {
  if (insn().kind[n] == isa::OperandKind::Mem) return store(operand_address(), v);
  state_->write(insn().reg[n], v);
}

}  // namespace tandem::jit
