// Runs of additions that hand their carry from one to the next: IR has no carry that lives over an access, so
// they stay as they are, in one piece of assembly, with the moves between them.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/isa/op.h"
#include "jit/base/register_use.h"
#include "jit/base/rewrite.h"
#include "jit/llvm/lifter.h"

namespace tandem::jit {

using isa::Insn;
using isa::Op;
using llvm::Value;

namespace {

constexpr std::size_t kFirstLabel = 100;
constexpr int kMostRegisters = 12;  // of the guest; the assembly needs some more for flags

bool takes_carry(const Insn& insn) { return insn.op == Op::ADC || insn.op == Op::SBB; }

u8 number_of(u8 offset) {
  return offset == isa::kZeroOffset || offset == isa::kRipOffset ? kNone : offset / 8;
}

bool names_rsp(const Insn& insn) {
  return names_gpr(insn, kSp) || number_of(insn.base) == kSp || number_of(insn.index) == kSp;
}

// Leaves flags alone, or hands a carry on; its bytes mean the same wherever they are.
bool may_be_in_run(const Insn& insn) {
  const bool is_known = takes_carry(insn) || insn.op == Op::MOV || insn.op == Op::LEA;
  const bool is_flat = insn.address_form == isa::AddressForm::None ||
                       (insn.address_form == isa::AddressForm::Flat64 && insn.base != isa::kRipOffset);
  return is_known && is_flat && insn.size >= 4 && !(insn.prefixes & isa::kLock) && !names_rsp(insn);
}

}  // namespace

// The first instruction behind the run that begins with the present one; this one itself where there is none.
u32 Lifter::run_end() const {
  const std::vector<isa::Insn>& insns = block().insns;
  const auto first = insns.begin() + insn_number_;
  const auto last = std::find_if_not(first, insns.end(), may_be_in_run);
  if (std::count_if(first, last, takes_carry) < 2) return insn_number_;
  Facts facts = now_;
  u32 carries = 0, end = insn_number_;
  OperandUses uses;
  for (u32 i = insn_number_; insns.begin() + i != last && is_in_run(i, facts); ++i) {
    add_run_uses(i, uses);
    if (std::ranges::count_if(uses.gprs, &OperandUse::is_used) > kMostRegisters) break;
    follow(facts, insns[i], decoded_[block_number_][i], block().regions[i], PlanBlock::kSoft);
    if (!takes_carry(insns[i])) continue;
    ++carries;
    end = i + 1;
  }
  return carries > 1 ? end : insn_number_;
}

// facts: before it. Its access needs no check, and the operand can stay as it is.
bool Lifter::is_in_run(u32 i, const Facts& facts) const {
  const Insn& insn = block().insns[i];
  if (block().leaves[i]) return false;
  if (!has_access(i)) return true;
  const u8 region = block().regions[i];
  const auto key = address_key(insn, facts);
  const auto known = key ? facts.find(*key) : std::nullopt;
  return known && known->region == region && region >= interp::TierFrame::kFirstInGs;
}

bool Lifter::has_access(u32 i) const {
  return decoded_[block_number_][i].memory && block().insns[i].op != Op::LEA;
}

// Goes on behind the run.
void Lifter::lift_run(u32 end) {
  HostCode code;
  std::vector<HostResult> results;
  OperandUses uses;
  const u32 first = insn_number_;
  for (u32 i = first; i < end; ++i) add_run_uses(i, uses);
  name_operands(uses, true, code, results);
  insn_number_ = end - 1;  // it sets the flags that are left
  flags_for_host(code, results);
  const std::string flags_text = std::exchange(code.text, {});
  code.outputs.push_back("=r");  // RFLAGS, where an access is refused
  code.types.push_back(b_.getInt64Ty());
  results.push_back({HostResult::Kind::Rflags, 0});
  code.inputs.push_back("r");
  code.values.push_back(get(Flag::Cf));
  code.text = fmt::format("btl $$0, ${{{}:k}}", code.outputs.size() + code.inputs.size() - 1);
  std::vector<RunAccess> accesses = add_run(first, end, code);
  code.text += flags_text;
  add_refusals(accesses, code);

  std::vector<BasicBlock*> refused;
  for (RunAccess& a : accesses) refused.push_back(a.refused = new_block("refused"));
  BasicBlock* const on = new_block("on");
  Value* const result = call_refusable(code, code.text, on, refused);
  for (const RunAccess& a : accesses) {
    b_.SetInsertPoint(a.refused);
    leave_run(a, results_of(code, result), results);
  }
  insn_number_ = end - 1;
  b_.SetInsertPoint(on);
  const std::vector<Value*> values = results_of(code, result);
  take_registers(values, results);
  take_flags(values, results);
}

void Lifter::add_run_uses(u32 i, OperandUses& uses) const {
  add_uses(i, uses);
  for (const u8 offset : {block().insns[i].base, block().insns[i].index})
    if (number_of(offset) != kNone) uses.gprs[number_of(offset)].reads = true;
}

// The instructions, with a label for each that accesses memory.
std::vector<Lifter::RunAccess> Lifter::add_run(u32 first, u32 end, HostCode& code) {
  std::vector<RunAccess> accesses;
  bool has_carried = false;
  for (u32 i = first; i < end; ++i) {
    const Insn& insn = block().insns[i];
    const Decoded& d = decoded_[block_number_][i];
    if (has_access(i)) {
      Assembler a;
      rewrite(
          a, d.bytes, d.insn,
          {number_of(insn.base), number_of(insn.index), insn.scale_log2, static_cast<i32>(insn.disp), true});
      code.text += fmt::format("\n{}: {}", kFirstLabel + accesses.size(), byte_text(a.code()));
      accesses.push_back({i, has_carried, nullptr});
    } else {
      code.text += '\n' + byte_text(d.bytes);
    }
    has_carried |= takes_carry(insn);
    follow(now_, insn, d, block().regions[i], PlanBlock::kSoft);
  }
  return accesses;
}

// Where they go that are refused: by way of code that takes the flags, once they are the run's own.
void Lifter::add_refusals(const std::vector<RunAccess>& accesses, HostCode& code) {
  const std::size_t rflags = code.outputs.size() - 1, labels = code.outputs.size() + code.inputs.size();
  for (std::size_t n = 0; n < accesses.size(); ++n) {
    std::string to = fmt::format("${{{}:l}}", labels + n);
    if (accesses[n].has_carried) {
      const std::size_t label = kFirstLabel + accesses.size() + n;
      code.text += fmt::format(
          "\n.pushsection .text.refused,\"ax\",@progbits\n{}: pushfq\npopq ${}\njmp {}\n.popsection", label,
          rflags, to);
      to = fmt::format("{}b", label);
    }
    code.text += refusal_text(kFirstLabel + n, to);
  }
}

// values: the registers before the access.
void Lifter::leave_run(const RunAccess& access, std::span<Value* const> values,
                       std::span<const HostResult> results) {
  constexpr HostResult kAll{HostResult::Kind::Rflags, kAllFlags};
  insn_number_ = access.insn;
  take_registers(values, results);
  if (access.has_carried) take_flags(values.last(1), {&kAll, 1});
  leave_to_site();
}

}  // namespace tandem::jit
