#include "jit/base/shared_checks.h"

#include <algorithm>
#include <bit>

#include "core/isa/op.h"
#include "jit/base/assembler.h"
#include "jit/base/small_values.h"

namespace tandem::jit {

using isa::Insn;
using isa::Op;
using isa::OperandKind;

namespace {

// Wider windows lie more often in two pages.
constexpr i64 kWidestWindow = 256;
constexpr i64 kFarthest = i64{1} << 29;
constexpr u16 kNoMember = 0xffff;

i64 signed_imm(const Insn& insn, u8 word) {
  return word == 8 ? static_cast<i64>(insn.imm) : static_cast<i32>(insn.imm);
}

}  // namespace

void CheckSharing::share(const BlockView& block, SharedChecks& checks) {
  block_ = block;
  names_ = kInitialRax - 1;
  groups_.clear();
  last_stack_access_ = {};
  group_of_.assign(block.insns.size(), kNoMember);
  second_group_of_.assign(block.insns.size(), kNoMember);
  change_all();
  find_groups();
  number_groups(checks);
  checks.rsp_stays = rsp_stays();
}

void CheckSharing::find_groups() {
  for (at_ = 0; at_ < block_.insns.size(); ++at_) {
    if (at_ == block_.free_at) when_free_ = registers_;
    if (const std::optional<Access> access = access_of()) group(*access, false);
    if (const std::optional<Access> access = second_access_of()) group(*access, true);
    follow_registers();
  }
}

// Hosted accesses that need no check: all of 32-bit code, and those by RSP as it was at the head.
bool CheckSharing::is_known(const Group& g) const {
  return block_.word == 4 || (g.key == Key{kInitialRsp, 0, 0, 0, interp::TierFrame::kStackRegion});
}

// An access proves it, since the host refuses others: no guard is so near that RSP could have come over it
// since.
bool CheckSharing::rsp_stays() const {
  constexpr i64 kNear = 64 * KiB;
  const Value& rsp = registers_[kSp];
  if (rsp.name == kInitialRsp && rsp.distance == 0) return true;
  const i64 moved = rsp.distance - last_stack_access_.distance;
  return rsp.name == last_stack_access_.name && moved < kNear && moved > -kNear;
}

void CheckSharing::group(Access a, bool second) {
  if (block_.regions) choose_region(a, second);
  if (a.key.region == interp::TierFrame::kStackRegion && !a.key.index && !a.key.segment)
    last_stack_access_ = {a.key.base, a.distance};
  leave_out_index(a);
  if (is_grouped(a)) join(a, second);
}

// Guards are wider than what such an index leads over: who has checked another address by the same base has
// checked this one.
void CheckSharing::leave_out_index(Access& a) const {
  if (a.key.region == RegionChooser::kNone || !a.index_is_small) return;
  a.distance -= registers_[block_.insns[at_].index / 8].distance << a.key.scale;
  a.key.index = a.key.scale = 0;
}

// The soft TLB's entry for an address that is known needs no search.
bool CheckSharing::is_grouped(const Access& a) const {
  return a.key.region != RegionChooser::kNone || a.key.base >= kInitialRax ||
         (a.key.base == kPlace && block_.moves);
}

void CheckSharing::number_groups(SharedChecks& checks) {
  checks.hoisted.clear();
  u8 number = 0;
  for (Group& g : groups_) {
    const bool hosted = g.key.region != RegionChooser::kNone;
    const std::optional<HoistedCheck> hoisted = hosted ? hoist_hosted(g) : hoist(g);
    if (hosted) {
      g.number = static_cast<u8>(kHostedGroup + g.key.region);
      g.hoisted = is_known(g);
      if (g.hoisted) continue;
    } else {
      if ((g.members == 1 && !hoisted) || number == interp::TierFrame::kAddends) continue;
      g.number = number++;
    }
    if (!hoisted) continue;
    g.hoisted = true;
    checks.hoisted.push_back(*hoisted);
    checks.hoisted.back().group = g.number;
    checks.hoisted.back().access = static_cast<u16>(g.first + (g.first_is_second ? block_.insns.size() : 0));
  }
  say(group_of_, checks.of);
  say(second_group_of_, checks.second);
}

void CheckSharing::say(const std::vector<u16>& groups, std::vector<SharedCheck>& checks) const {
  for (u32 i = 0; i < groups.size(); ++i) {
    if (groups[i] == kNoMember) continue;
    const Group& g = groups_[groups[i]];
    if (g.number == kNoGroup) continue;
    if (i == g.first && !g.hoisted)
      checks[i] = {g.number, true, static_cast<i32>(g.low - g.first_distance),
                   static_cast<u32>(g.high - g.low)};
    else checks[i] = {g.number, false, 0, 0};
  }
}

// Worth it where flags are live at the first access; possible where its registers are what they were.
std::optional<HoistedCheck> CheckSharing::hoist(const Group& g) const {
  if (g.first <= block_.free_at || !block_.live[g.first] || g.key.segment) return {};
  const std::optional<u8> base = holder(g.key.base, false);
  const std::optional<u8> index = g.key.index ? holder(g.key.index, false) : LinearForm::kAbsent;
  if (!base || !index) return {};
  i64 disp = g.low - when_free_[*base].distance;
  if (g.key.index) disp -= when_free_[*index].distance << g.key.scale;
  if (disp > kFarthest || disp < -kFarthest) return {};
  return HoistedCheck{.address = {*base, *index, g.key.scale, LinearForm::kAbsent, disp},
                      .size = static_cast<u32>(g.high - g.low),
                      .write = g.write};
}

// At the head, where T0 holds nothing yet. A distance needs no check: there are guards about a region.
std::optional<HoistedCheck> CheckSharing::hoist_hosted(const Group& g) const {
  if (g.first < block_.free_at || g.key.segment || block_.word == 4) return {};
  if (g.key.base == kNothing) return HoistedCheck{.address = {.disp = g.first_distance}};
  if (g.key.base == kPlace && block_.moves)
    return HoistedCheck{.address = {.disp = place() + g.first_distance, .from_page = true}};
  if (g.key.base == kPlace)
    return HoistedCheck{.address = {.disp = static_cast<i64>(block_.rip) + g.first_distance}};
  if (g.key.index && !block_.live[g.first]) return {};
  const std::optional<u8> base = holder(g.key.base, !g.key.index);
  const std::optional<u8> index = g.key.index ? holder(g.key.index, false) : LinearForm::kAbsent;
  if (!base || !index) return {};
  i64 disp = 0;
  if (g.key.index) {
    disp = g.first_distance - when_free_[*base].distance - (when_free_[*index].distance << g.key.scale);
    if (disp > kFarthest || disp < -kFarthest) return {};
  }
  return HoistedCheck{.address = {*base, *index, g.key.scale, LinearForm::kAbsent, disp}};
}

// A register that holds the value of this name, but for a distance, where checks are hoisted to. in_state: it
// may be one that is kept in the state.
std::optional<u8> CheckSharing::holder(u32 name, bool in_state) const {
  for (u8 r = 0; r < 16; ++r)
    if (when_free_[r].name == name && (in_state || !(r == kT0 || r == kT1))) return r;
  return {};
}

// --- Regions ----------------------------------------------------------------------------------------------

// What a register or a segment's base held when the block was entered.
std::optional<u64> CheckSharing::value_of(u32 name) const {
  if (name == kNothing) return 0;
  if (name == kPlace) return block_.rip;
  if (name < kInitialSegment) return block_.state->gpr[name - kInitialRax];
  if (name < kInitialSegment + 6) return block_.state->segments[name - kInitialSegment].base;
  return {};
}

std::optional<u64> CheckSharing::address_of(const Access& a) const {
  const std::optional<u64> base = value_of(a.key.base),
                           index = a.index_is_small ? u64{0} : value_of(a.key.index),
                           segment = value_of(a.key.segment);
  if (!base || !index || !segment) return {};
  return *base + (*index << a.key.scale) + *segment + static_cast<u64>(a.distance);
}

void CheckSharing::choose_region(Access& a, bool second) const {
  const u16 access = static_cast<u16>(at_ + (second ? block_.insns.size() : 0));
  a.key.region = block_.word == 4 ? block_.regions->lowest_region(access)
                                  : block_.regions->region_of(access, address_of(a));
}

std::optional<CheckSharing::Access> CheckSharing::access_of() const {
  const Insn& insn = block_.insns[at_];
  const Encoded& d = block_.encoded[at_];
  switch (block_.forms[at_]) {
    case Form::Memory:
    case Form::Gather: return operand(insn, d);
    case Form::Push:
    case Form::CallIndirect:
      if (!d.memory) return stack(kSp, -block_.word, true);
      if (block_.regions) return operand(insn, d);
      return {};
    case Form::JumpIndirect:
      if (d.memory && block_.regions) return operand(insn, d);
      return {};
    case Form::PushFlags:
    case Form::Call: return stack(kSp, -block_.word, true);
    case Form::Pop:
    case Form::Return: return stack(kSp, 0, false);
    case Form::Leave: return stack(kBp, 0, false);
    default: return {};
  }
}

std::optional<CheckSharing::Access> CheckSharing::second_access_of() const {
  const Form form = block_.forms[at_];
  if (!block_.regions || !block_.encoded[at_].memory || (form != Form::Push && form != Form::CallIndirect))
    return {};
  return stack(kSp, -block_.word, true);
}

std::optional<CheckSharing::Access> CheckSharing::stack(unsigned reg, i64 disp, bool write) const {
  const Value& v = registers_[reg];
  return Access{{v.name, 0, 0, 0}, v.distance + disp, block_.word, write};
}

std::optional<CheckSharing::Access> CheckSharing::operand(const Insn& insn, const Encoded& d) const {
  if (insn.base == isa::kRipOffset || insn.base == isa::kZeroOffset) return constant(insn, d);
  if (insn.disp > kFarthest || insn.disp < -kFarthest) return {};
  const Value& base = registers_[insn.base / 8];
  Access a{{base.name, 0, 0, 0}, base.distance + insn.disp, d.memory->bytes, false};
  a.write = d.memory->writes;
  if (insn.index != isa::kZeroOffset) {
    const Value& index = registers_[insn.index / 8];
    a.key.index = index.name;
    a.index_is_small = index.is_small;
    a.key.scale = insn.scale_log2;
    a.distance += index.distance << insn.scale_log2;
  }
  const bool based =
      block_.word == 8 ? insn.address_form == isa::AddressForm::Based64 : insn.segment >= cpu::kFs;
  if (based) a.key.segment = segments_[insn.segment];
  return a;
}

// An address without registers, absolute or relative to the block's first instruction.
std::optional<CheckSharing::Access> CheckSharing::constant(const isa::Insn& insn, const Encoded& d) const {
  const bool based =
      block_.word == 8 ? insn.address_form == isa::AddressForm::Based64 : insn.segment >= cpu::kFs;
  const bool relative = insn.base == isa::kRipOffset;
  if (insn.index != isa::kZeroOffset || (based && relative)) return {};
  if (!block_.regions && (!relative || !block_.moves)) return {};
  const bool writes = d.memory->writes;
  Access a{{}, insn.disp, d.memory->bytes, writes};
  if (based) a.key.segment = segments_[insn.segment];
  a.key.base = relative ? kPlace : kNothing;
  return a;
}

// A page that may be written may be read, and to a region that does not matter.
void CheckSharing::join(const Access& a, bool second) {
  std::vector<u16>& groups = second ? second_group_of_ : group_of_;
  const bool hosted = a.key.region != RegionChooser::kNone;
  for (std::size_t n = 0; n < groups_.size(); ++n) {
    Group& g = groups_[n];
    if (g.key != a.key || (a.write && !g.write && !hosted)) continue;
    const i64 low = std::min(g.low, a.distance), high = std::max(g.high, a.distance + a.size);
    if (high - low > (hosted ? kFarthest : kWidestWindow)) continue;
    g.low = low;
    g.high = high;
    ++g.members;
    groups[at_] = static_cast<u16>(n);
    return;
  }
  groups[at_] = static_cast<u16>(groups_.size());
  groups_.push_back({a.key, a.write, a.distance, a.distance + a.size, at_, second, a.distance});
}

void CheckSharing::follow_registers() {
  const Insn& insn = block_.insns[at_];
  switch (block_.forms[at_]) {
    case Form::Execute: return change_all();
    case Form::SwapGs: segments_[cpu::kGs] = ++names_; return;
    case Form::Push:
    case Form::PushFlags:
    case Form::Call:
    case Form::CallIndirect: registers_[kSp].distance -= block_.word; return;
    case Form::Return:
      registers_[kSp].distance += block_.word + (insn.kind[0] == OperandKind::Imm ? insn.imm & 0xffff : 0);
      return;
    case Form::Pop: registers_[kSp].distance += block_.word; return change(insn.reg[0] / 8u);
    case Form::Leave:
      registers_[kSp] = {registers_[kBp].name, registers_[kBp].distance + block_.word};
      return change(kBp);
    case Form::RepeatedString: change(kCx); [[fallthrough]];
    case Form::String: return change_by_string();
    case Form::Lea:
    case Form::Copy:
      if (const std::optional<Value> v = computed(insn)) {
        registers_[insn.reg[0] / 8] = *v;
        return;
      }
      break;
    default: break;
  }
  change_written(insn, block_.encoded[at_]);
}

// Of the first operand, where it is that of a register at a known distance.
std::optional<CheckSharing::Value> CheckSharing::computed(const Insn& insn) const {
  if (insn.size != block_.word || insn.kind[0] != OperandKind::Gpr) return {};
  Value v = registers_[insn.reg[0] / 8];
  const bool by_constant = insn.kind[1] == OperandKind::Imm;
  switch (insn.op) {
    case Op::ADD:
      if (!by_constant) return {};
      v.distance += signed_imm(insn, block_.word);
      break;
    case Op::SUB:
      if (!by_constant) return {};
      v.distance -= signed_imm(insn, block_.word);
      break;
    case Op::INC: ++v.distance; break;
    case Op::DEC: --v.distance; break;
    case Op::MOV:
      if (insn.kind[1] != OperandKind::Gpr) return {};
      v = registers_[insn.reg[1] / 8];
      break;
    case Op::LEA:
      if (insn.address_size != block_.word || insn.index != isa::kZeroOffset ||
          insn.base == isa::kRipOffset || insn.base == isa::kZeroOffset)
        return {};
      v = registers_[insn.base / 8];
      v.distance += insn.disp;
      break;
    default: return {};
  }
  if (v.distance > kFarthest || v.distance < -kFarthest) return {};
  return v;
}

void CheckSharing::change_written(const Insn& insn, const Encoded& d) {
  for (unsigned left = d.writes; left; left &= left - 1) {
    const auto reg = static_cast<unsigned>(std::countr_zero(left));
    change(reg, d.small.is_small(reg, insn, registers_[reg].is_small));
  }
}

// Which Zydis does not name.
void CheckSharing::change_by_string() {
  for (const unsigned reg : {kAx, kSi, kDi}) change(reg);
}

void CheckSharing::change_all() {
  for (unsigned r = 0; r < 16; ++r) change(r);
  for (u32& s : segments_) s = ++names_;
}

}  // namespace tandem::jit
