// Memory operands: hosted accesses as inline assembly, and what has to be checked before them.
#include <fmt/format.h>
#include <llvm/IR/MDBuilder.h>

#include "core/isa/op.h"
#include "jit/llvm/lifter.h"

namespace tandem::jit {

using isa::Insn;
using llvm::Value;

namespace {

bool in_gs(u8 region) { return region >= interp::TierFrame::kFirstInGs; }
bool is_register(u8 offset) { return offset != isa::kZeroOffset && offset != isa::kRipOffset; }

}  // namespace

// --- Addresses --------------------------------------------------------------------------------------------

Lifter::Address Lifter::operand_address() {
  const Insn& i = insn();
  Address a;
  a.region = region_of_access(false);
  a.key = address_key(i, now_);
  a.disp = i.disp;
  a.scale_log2 = i.scale_log2;
  if (i.base == isa::kRipOffset) {
    a.base = page_;
    a.placed = true;
    a.disp += block().at;
  } else if (is_register(i.base)) {
    a.base = state_->gpr(i.base / 8);
  }
  if (is_register(i.index)) a.index = state_->gpr(i.index / 8);
  a.chases =
      i.op == isa::Op::MOV && i.kind[0] == isa::OperandKind::Gpr && i.reg[0] == i.base && !a.index && !a.disp;
  if (i.address_form == isa::AddressForm::Based64) {
    Value* const segment = state_->load_field(b_.getInt64Ty(), layout_.segment_base(i.segment));
    a.base = a.base ? b_.CreateAdd(a.base, segment) : segment;
    a.placed = false;
  }
  return a;
}

Lifter::Address Lifter::stack_address(unsigned reg, i64 disp, bool second) {
  Address a;
  a.base = state_->gpr(reg);
  a.disp = disp;
  a.key = AddressKey{static_cast<u8>(reg), AddressKey::kNone, 0};
  a.region = region_of_access(second);
  return a;
}

Value* Lifter::effective_address() {
  const Insn& i = insn();
  if (i.base == isa::kRipOffset) return code_address(block().at + i.disp);
  Value* sum = b_.getInt64(static_cast<u64>(i.disp));
  if (is_register(i.index)) sum = b_.CreateAdd(sum, b_.CreateShl(state_->gpr(i.index / 8), i.scale_log2));
  if (is_register(i.base)) sum = b_.CreateAdd(state_->gpr(i.base / 8), sum);
  return i.address_size == 4 ? b_.CreateAnd(sum, b_.getInt64(0xffffffff)) : sum;
}

Value* Lifter::sum_of(const Address& a) {
  Value* sum = b_.getInt64(static_cast<u64>(a.disp));
  if (a.index) sum = b_.CreateAdd(sum, b_.CreateShl(a.index, a.scale_log2));
  return a.base ? b_.CreateAdd(a.base, sum) : sum;
}

Value* Lifter::value_of(const AddressKey& key) {
  Value* const index =
      key.index == AddressKey::kNone ? nullptr : b_.CreateShl(state_->gpr(key.index), key.scale_log2);
  Value* const base = key.base == AddressKey::kNone ? nullptr : state_->gpr(key.base);
  return base && index ? b_.CreateAdd(base, index) : base ? base : index;
}

// --- Checks -----------------------------------------------------------------------------------------------

void Lifter::check_region(Value* linear, u8 region, BasicBlock* otherwise) {
  Value* const key = b_.CreateLShr(linear, interp::TierFrame::kRegionShift);
  BasicBlock* const on = new_block("on");
  branch_if(b_.CreateICmpEQ(key, keys_[region]), on, otherwise);
  b_.SetInsertPoint(on);
}

// Guards are wider than what any instruction's displacement leads over.
void Lifter::check(const Address& a) {
  if (a.placed) return;
  if (!a.key) return check_region(sum_of(a), a.region, site());
  const auto known = now_.find(*a.key);
  if (known && known->region == a.region) return;
  check_region(value_of(*a.key), a.region, site());
  // What the instruction's other access finds.
  now_.know(*a.key, {a.region, 0, 0});
}

// Operands relative to the code lie at one distance from it, wherever it is.
void Lifter::check_placed(BasicBlock* otherwise) {
  u32 used = 0;
  for (const PlanBlock& p : plan_.blocks)
    for (std::size_t i = 0; i < p.insns.size(); ++i)
      if (p.insns[i].base == isa::kRipOffset && p.regions[i] != PlanBlock::kSoft) used |= 1u << p.regions[i];
  for (u8 region = 0; region < interp::TierFrame::kRegions; ++region)
    if (used >> region & 1) check_region(page_, region, otherwise);
}

// --- Accesses ---------------------------------------------------------------------------------------------

Lifter::HostAddress Lifter::host_address(const Address& a) {
  HostAddress h{a.base, a.index, static_cast<i32>(a.disp), in_gs(a.region)};
  const auto add = [&](Value* more) { h.base = h.base ? b_.CreateAdd(h.base, more) : more; };
  // The next load waits for this one, and a segment's base makes it a cycle longer, as a second register does
  // not.
  if (h.in_gs && a.chases) return {h.base, addends_[a.region], 0, false};
  if (!h.in_gs) add(addends_[a.region]);
  if (h.disp != a.disp) {
    add(b_.getInt64(static_cast<u64>(a.disp)));
    h.disp = 0;
  }
  return h;
}

// first_operand: number of base, or index, among the assembly's operands.
std::string Lifter::text_of(const HostAddress& h, unsigned scale_log2, std::size_t first_operand) {
  std::string text = fmt::format("{}{}", h.in_gs ? "%gs:" : "", h.disp);
  if (!h.base && !h.index) return text;
  text += '(';
  if (h.base) text += fmt::format("${}", first_operand++);
  if (h.index) text += fmt::format(",${},{}", first_operand, 1 << scale_log2);
  return text + ')';
}

Value* Lifter::load(const Address& a, unsigned size) {
  Value* const wide = load_extended(a, size, size == 8 ? 8 : 4, false);
  return size == 8 ? wide : b_.CreateTrunc(wide, b_.getIntNTy(8 * size));
}

// to_size: 4 or 8.
Value* Lifter::load_extended(const Address& a, unsigned size, unsigned to_size, bool sign) {
  check(a);
  const bool plain = size == 8 || (size == 4 && !(sign && to_size == 8));
  const char suffix = size == 1 ? 'b' : size == 2 ? 'w' : size == 4 ? 'l' : 'q';
  const unsigned register_size = sign ? to_size : size == 8 ? 8 : 4;
  const HostAddress address = host_address(a);
  const std::string text = text_of(address, a.scale_log2, 1);
  HostCode code;
  code.text =
      plain ? fmt::format("mov{} {}, $0", suffix, text)
            : fmt::format("mov{}{}{} {}, $0", sign ? 's' : 'z', suffix, register_size == 8 ? 'q' : 'l', text);
  code.outputs = {"=r"};
  code.types = {b_.getIntNTy(8 * register_size)};
  add_inputs(code, address);
  Value* const v = run_or_site(code)[0];
  return register_size == to_size ? v : b_.CreateZExt(v, b_.getIntNTy(8 * to_size));
}

void Lifter::store(const Address& a, Value* v) {
  check(a);
  const unsigned bits = v->getType()->getIntegerBitWidth();
  const char suffix = bits == 8 ? 'b' : bits == 16 ? 'w' : bits == 32 ? 'l' : 'q';
  const HostAddress address = host_address(a);
  HostCode code;
  code.text = fmt::format("mov{} $0, {}", suffix, text_of(address, a.scale_log2, 1));
  code.inputs = {bits == 64 ? "re" : bits == 8 ? "qi" : "ri"};
  code.values = {v};
  add_inputs(code, address);
  run_or_site(code);
}

// --- Inline assembly --------------------------------------------------------------------------------------

void Lifter::add_inputs(HostCode& code, const HostAddress& address) {
  for (Value* v : {address.base, address.index})
    if (v) {
      code.inputs.push_back("r");
      code.values.push_back(v);
    }
}

llvm::InlineAsm* Lifter::assembly(const HostCode& code, const std::string& text,
                                  const std::string& more_constraints, bool has_effects) {
  std::vector<llvm::Type*> inputs;
  for (Value* v : code.values) inputs.push_back(v->getType());
  llvm::Type* const type = code.types.empty()       ? b_.getVoidTy()
                           : code.types.size() == 1 ? code.types[0]
                                                    : llvm::StructType::get(context_, code.types);
  std::vector<std::string> constraints = code.outputs;
  constraints.insert(constraints.end(), code.inputs.begin(), code.inputs.end());
  constraints.push_back(more_constraints + "~{dirflag},~{fpsr},~{flags}");
  return llvm::InlineAsm::get(llvm::FunctionType::get(type, inputs, false), text,
                              fmt::format("{}", fmt::join(constraints, ",")), has_effects);
}

std::vector<Value*> Lifter::results_of(const HostCode& code, Value* result) {
  if (code.types.size() == 1) return {result};
  std::vector<Value*> results;
  for (unsigned n = 0; n < code.types.size(); ++n) results.push_back(b_.CreateExtractValue(result, n));
  return results;
}

std::vector<Value*> Lifter::run(const HostCode& code) {
  return results_of(code, b_.CreateCall(assembly(code, code.text, "", code.has_effects), code.values));
}

std::string Lifter::byte_text(std::span<const u8> bytes) {
  return fmt::format(".byte {:#04x}", fmt::join(bytes, ","));
}

// label: of an instruction that may be refused, which then goes to `to`.
std::string Lifter::refusal_text(std::size_t label, const std::string& to) {
  return fmt::format("\n.pushsection {},\"a\",@progbits\n.long {}b - .\n.long {} - .\n.popsection", kRefusals,
                     label, to);
}

// Where text goes besides `on` are its last operands.
Value* Lifter::call_refusable(const HostCode& code, const std::string& text, BasicBlock* on,
                              const std::vector<BasicBlock*>& refused) {
  std::string labels;
  std::vector<u32> weights{kOften};
  for (std::size_t n = 0; n < refused.size(); ++n) {
    labels += "!i,";
    weights.push_back(1);
  }
  llvm::CallBrInst* const result =
      b_.CreateCallBr(assembly(code, text, labels, true), on, refused, code.values);
  result->setMetadata(llvm::LLVMContext::MD_prof, llvm::MDBuilder(context_).createBranchWeights(weights));
  return result;
}

Value* Lifter::run_or(const HostCode& code, BasicBlock* refused) {
  BasicBlock* const on = new_block("on");
  const std::string to = fmt::format("${{{}:l}}", code.outputs.size() + code.inputs.size());
  Value* const result = call_refusable(code, "1: " + code.text + refusal_text(1, to), on, {refused});
  b_.SetInsertPoint(on);
  return result;
}

// Where it is refused, the interpreter does it.
std::vector<Value*> Lifter::run_or_site(const HostCode& code, std::span<const HostResult> kept) {
  BasicBlock* const refused = kept.empty() ? site() : new_block("refused");
  Value* const result = run_or(code, refused);
  if (!kept.empty()) {
    const llvm::IRBuilder<>::InsertPointGuard guard(b_);
    b_.SetInsertPoint(refused);
    take_registers(results_of(code, result), kept);
    leave_to_site();
  }
  return results_of(code, result);
}

}  // namespace tandem::jit
