#include "jit/llvm/facts.h"

#include <algorithm>
#include <utility>

#include "core/interp/upper_tier.h"
#include "core/isa/op.h"
#include "jit/base/assembler.h"
#include "jit/base/small_values.h"
#include "jit/llvm/usage.h"

namespace tandem::jit {

using isa::Insn;
using isa::Op;
using isa::OperandKind;

namespace {

// Much less than a guard is wide, together with an operand's displacement.
constexpr i64 kWord = 8;
constexpr i64 kFarthest = i64{1} << 30;
constexpr Fact kStack{interp::TierFrame::kStackRegion, 0, 0};

u8 number_of(u8 offset) {
  return offset == isa::kZeroOffset || offset == isa::kRipOffset ? AddressKey::kNone : offset / 8;
}

// The first operand, where it becomes that of a register at a known distance.
struct Step {
  u8 to, from;
  i64 distance;
};
std::optional<Step> step_of(const Insn& insn) {
  if (insn.size != kWord || insn.kind[0] != OperandKind::Gpr) return {};
  const u8 to = insn.reg[0] / 8;
  const bool by_constant = insn.kind[1] == OperandKind::Imm;
  switch (insn.op) {
    case Op::ADD: return by_constant ? std::optional(Step{to, to, static_cast<i64>(insn.imm)}) : std::nullopt;
    case Op::SUB:
      return by_constant ? std::optional(Step{to, to, -static_cast<i64>(insn.imm)}) : std::nullopt;
    case Op::INC: return Step{to, to, 1};
    case Op::DEC: return Step{to, to, -1};
    case Op::MOV:
      return insn.kind[1] == OperandKind::Gpr ? std::optional(Step{to, static_cast<u8>(insn.reg[1] / 8), 0})
                                              : std::nullopt;
    case Op::LEA:
      if (insn.address_size != kWord || insn.index != isa::kZeroOffset ||
          number_of(insn.base) == AddressKey::kNone)
        return {};
      return Step{to, number_of(insn.base), insn.disp};
    default: return {};
  }
}

void forget_written(Facts& facts, const Insn& insn, const Decoded& d) {
  const u16 stepped = stepped_registers(d);
  for (const u8 reg : {kSi, kDi})
    if (stepped >> reg & 1) facts.forget(reg);
  for (unsigned n = 0; n < d.insn.operand_count; ++n) {
    const ZydisDecodedOperand& o = d.operands[n];
    const auto reg = gpr_of(o);
    if (!reg || !(o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)) continue;
    const bool small = stays_small(insn, d, o, facts.is_small(*reg));
    facts.forget(*reg);
    facts.set_small(*reg, small);
  }
}

// key: its whole address, but for `at`.
void know_access(Facts& facts, const AddressKey& key, i64 at, u8 region) {
  if (region != PlanBlock::kSoft && at < kFarthest && at > -kFarthest) facts.know(key, {region, at, at});
}

// What an access was checked by, where that is not its own address.
void know_checked(Facts& facts, const AddressKey& key, u8 region) {
  const std::optional<Fact> before = facts.find(key);
  if (!before || before->region != region) facts.know(key, {region, 0, 0});
}

// An access whose elements may be left out says nothing of its address: that alone is known which is checked.
void follow_operand(Facts& facts, const Insn& insn, const Decoded& d, u8 region) {
  const std::optional<AddressKey> key = address_key(insn, facts);
  if (!key) return;
  const bool is_whole = *key == AddressKey{number_of(insn.base), number_of(insn.index), insn.scale_log2};
  if (is_whole && !is_masked(d)) know_access(facts, *key, insn.disp, region);
  else know_checked(facts, *key, region);
}

}  // namespace

std::optional<Fact> Facts::find(const AddressKey& key) const {
  const auto it = facts_.find(key);
  return it == facts_.end() ? std::nullopt : std::optional(it->second);
}

void Facts::forget(u8 reg) {
  std::erase_if(facts_, [&](const auto& f) { return f.first.names(reg); });
  set_small(reg, false);
}

void Facts::set_small(u8 reg, bool small) {
  const u16 bit = static_cast<u16>(1u << reg);
  small_ = static_cast<u16>(small ? small_ | bit : small_ & ~bit);
}

// Many small steps may make something large.
void Facts::move(u8 reg, i64 distance) {
  set_small(reg, false);
  for (auto& [key, fact] : facts_) {
    const i64 by = (key.base == reg ? distance : 0) + (key.index == reg ? distance << key.scale_log2 : 0);
    fact.low -= by;
    fact.high -= by;
  }
  std::erase_if(facts_, [](const auto& f) { return f.second.low < -kFarthest || f.second.high > kFarthest; });
}

void Facts::copy(u8 to, u8 from, i64 distance) {
  const std::optional<Fact> fact = find({from, AddressKey::kNone, 0});
  const bool small = is_small(from) && distance == 0;
  forget(to);
  set_small(to, small);
  if (!fact) return;
  know({to, AddressKey::kNone, 0}, *fact);
  if (distance) move(to, distance);
}

void Facts::meet(const Facts& other) {
  small_ &= other.small_;
  const auto unknown = [&](const auto& f) {
    const std::optional<Fact> same = other.find(f.first);
    return !same || same->region != f.second.region;
  };
  std::erase_if(facts_, unknown);
  for (auto& [key, fact] : facts_) {
    const Fact same = *other.find(key);
    fact.low = std::min(fact.low, same.low);
    fact.high = std::max(fact.high, same.high);
  }
}

void Facts::keep_only(u16 registers) {
  const auto is_kept = [&](u8 reg) { return reg == AddressKey::kNone || registers >> reg & 1; };
  std::erase_if(facts_, [&](const auto& f) { return !is_kept(f.first.base) || !is_kept(f.first.index); });
}

void Facts::include_zero() {
  for (auto& [key, fact] : facts_) {
    fact.low = std::min<i64>(fact.low, 0);
    fact.high = std::max<i64>(fact.high, 0);
  }
}

std::optional<AddressKey> address_key(const Insn& insn, const Facts& facts) {
  constexpr u8 kNone = AddressKey::kNone;
  if (insn.address_form != isa::AddressForm::Flat64 || insn.base == isa::kRipOffset) return {};
  const AddressKey key{number_of(insn.base), number_of(insn.index), insn.scale_log2};
  if (key.base == kNone && key.index == kNone) return {};
  if (key.base == kNone || key.index == kNone) return key;
  if (facts.is_small(key.index)) return AddressKey{key.base, kNone, 0};
  if (facts.is_small(key.base) && key.scale_log2 == 0) return AddressKey{key.index, kNone, 0};
  return key;
}

void follow(Facts& facts, const Insn& insn, const Decoded& d, u8 region, u8 second_region) {
  constexpr AddressKey kRspOnly{kSp, AddressKey::kNone, 0}, kRbpOnly{kBp, AddressKey::kNone, 0};
  const u8 stack_region = d.memory ? second_region : region;
  if (d.memory && region != PlanBlock::kSoft) follow_operand(facts, insn, d, region);
  switch (insn.op) {
    case Op::PUSH:
    case Op::CALL:
    case Op::CALL_INDIRECT:
      know_access(facts, kRspOnly, -kWord, stack_region);
      return facts.move(kSp, -kWord);
    case Op::POP:
      know_access(facts, kRspOnly, 0, region);
      facts.move(kSp, kWord);
      return facts.forget(insn.reg[0] / 8);
    case Op::RET:
      know_access(facts, kRspOnly, 0, region);
      return facts.move(kSp, kWord + (insn.kind[0] == OperandKind::Imm ? insn.imm & 0xffff : 0));
    case Op::LEAVE:
      know_access(facts, kRbpOnly, 0, region);
      facts.copy(kSp, kBp, kWord);
      return facts.forget(kBp);
    default: break;
  }
  if (const auto step = step_of(insn)) {
    if (step->distance > kFarthest || step->distance < -kFarthest) return facts.forget(step->to);
    return step->to == step->from ? facts.move(step->to, step->distance)
                                  : facts.copy(step->to, step->from, step->distance);
  }
  forget_written(facts, insn, d);
}

u16 addresses_before(u16 behind, const Insn& insn, const Decoded& d) {
  u16 before = behind;
  const auto bit = [](u8 reg) { return static_cast<u16>(reg == AddressKey::kNone ? 0 : 1u << reg); };
  if (const auto step = step_of(insn)) {
    if (before & bit(step->to)) before = static_cast<u16>((before & ~bit(step->to)) | bit(step->from));
  } else {
    before &= static_cast<u16>(~stepped_registers(d));
    for (unsigned n = 0; n < d.insn.operand_count; ++n)
      if (const auto reg = gpr_of(d.operands[n]);
          reg && d.operands[n].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
        before &= static_cast<u16>(~bit(*reg));
  }
  if (d.memory) before |= bit(number_of(insn.base)) | bit(number_of(insn.index));
  if (insn.op == Op::LEAVE) before |= bit(kBp);
  return before | bit(kSp);
}

FactsOfRegion::FactsOfRegion(const RegionPlan& plan, const std::vector<std::vector<Decoded>>& decoded,
                             std::vector<Edge> edges)
    : plan_(plan),
      decoded_(decoded),
      edges_(std::move(edges)),
      in_(plan.blocks.size()),
      out_(plan.blocks.size()),
      addresses_(plan.blocks.size()),
      computed_(plan.blocks.size()),
      loops_(plan.blocks.size()),
      changes_(plan.blocks.size()) {
  for (const Edge& e : edges_)
    if (e.back) loops_[e.to] = true;
  find_addresses();
  in_[0].know({kSp, AddressKey::kNone, 0}, kStack);
  compute(0);
  // Blocks come behind those that lead to them, but for back edges: a few rounds find all.
  for (bool changed = true; changed;) {
    changed = false;
    for (u32 b = 0; b < plan.blocks.size(); ++b) changed |= join(b);
  }
}

void FactsOfRegion::find_addresses() {
  for (bool changed = true; changed;) {
    changed = false;
    for (auto block = static_cast<u32>(plan_.blocks.size()); block-- > 0;) {
      u16 registers = 0;
      for (const Edge& e : edges_)
        if (e.from == block) registers |= addresses_[e.to];
      const std::vector<Insn>& insns = plan_.blocks[block].insns;
      for (std::size_t i = insns.size(); i-- > 0;)
        registers = addresses_before(registers, insns[i], decoded_[block][i]);
      changed |= std::exchange(addresses_[block], registers) != registers;
    }
  }
}

void FactsOfRegion::compute(u32 block) {
  const PlanBlock& p = plan_.blocks[block];
  Facts facts = in_[block];
  for (std::size_t i = 0; i < p.insns.size(); ++i)
    follow(facts, p.insns[i], decoded_[block][i], p.regions[i], p.regions[p.insns.size() + i]);
  out_[block] = std::move(facts);
  computed_[block] = true;
}

// On all ways to it that are known by now.
u16 FactsOfRegion::small_at_head(u32 block) const {
  if (block == 0) return 0;
  u16 small = 0xffff;
  for (const Edge& e : edges_)
    if (e.to == block && computed_[e.from]) small &= out_[e.from].small();
  return small;
}

// Of a loop's head: what its back edges bring, once they are known; the first time what leads into it.
bool FactsOfRegion::join(u32 block) {
  std::optional<Facts> facts;
  const auto take = [&](const Facts& more) {
    if (facts) facts->meet(more);
    else facts = more;
  };
  const bool turns = loops_[block] && std::ranges::any_of(edges_, [&](const Edge& e) {
                       return e.back && e.to == block && computed_[e.from];
                     });
  for (const Edge& e : edges_)
    if (e.to == block && computed_[e.from] && (!turns || e.back)) take(out_[e.from]);
  if (block == 0 && !turns) return false;
  if (!facts) return false;
  if (turns) {
    facts->include_zero();
    facts->keep_only(addresses_[block]);
  }
  facts->set_small(small_at_head(block));
  constexpr unsigned kPatience = 4;
  if (computed_[block] && *facts == in_[block]) return false;
  if (computed_[block] && ++changes_[block] > kPatience) {
    facts->meet(in_[block]);
    std::map<AddressKey, Fact> stable;
    Facts kept;
    kept.set_small(facts->small());
    for (const auto& [key, fact] : facts->all())
      if (const auto before = in_[block].find(key); before && *before == fact) kept.know(key, fact);
    facts = kept;
    if (*facts == in_[block]) return false;
  }
  in_[block] = std::move(*facts);
  compute(block);
  return true;
}

}  // namespace tandem::jit
