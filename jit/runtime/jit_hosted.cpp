// JitTier's part in hosted address spaces: which of a translation's accesses are hosted, and where.
#include <algorithm>
#include <chrono>

#include "jit/runtime/jit_tier.h"

namespace tandem::jit {

using cpu::Step;
using interp::Context;

namespace {

u64 steady_ns() {
  return static_cast<u64>(std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
}

// The sum, of the state's registers.
u64 value_of(const Context& c, const LinearForm& f) {
  u64 sum = static_cast<u64>(f.disp) + (f.from_page ? c.tier.page : 0);
  if (f.base != LinearForm::kAbsent) sum += c.state.gpr[f.base];
  if (f.index != LinearForm::kAbsent) sum += c.state.gpr[f.index] << f.scale_log2;
  if (f.segment != LinearForm::kAbsent) sum += c.state.segments[f.segment].base;
  return sum;
}

}  // namespace

// Instructions since the last time ran in the address space of that time.
void JitTier::account(const Context& c) {
  hosted_.ran(static_cast<u64>(std::max<i64>(accounted_ - c.remaining, 0)));
  accounted_ = c.remaining;
}

void JitTier::inherit_hints(Translation& t) {
  for (auto* before = t.block->upper ? static_cast<Translation*>(t.block->upper) : nullptr; before;
       before = before->next)
    if (!before->valid && (t.moves || before->rip == t.rip) && before->mode == t.mode &&
        !before->hints.empty()) {
      t.hints = std::move(before->hints);
      return;
    }
}

u8 JitTier::lowest_region(u16 access) {
  const Translation& t = *translations_.back();
  const bool is_soft = !t.hints.empty() && t.hints[access].region == AccessHint::kSoft;
  return !is_soft && hosted_.assign(*translating_for_, 0, 0) ? 0 : RegionChooser::kNone;
}

u8 JitTier::region_of(u16 access, std::optional<u64> address) {
  const Translation& t = *translations_.back();
  if (!t.hints.empty() && t.hints[access].region != AccessHint::kUnknown) return t.hints[access].region;
  Context& c = *translating_for_;
  // 32-bit code reaches all by the lowest one. Of others, what is not known yet is mostly near the stack's or
  // the heap's pointers.
  return hosted_.region_for(c, address.value_or(c.state.gpr[cpu::kRsp])).value_or(RegionChooser::kNone);
}

AccessHint& JitTier::hint_for(Translation& t, u16 insn) {
  if (t.hints.empty()) t.hints.resize(2 * t.block->count);
  return t.hints[insn];
}

// An access lay outside its region: another, or none, may be better.
void JitTier::learn_region(Context& c, Translation& t, const Split& split) {
  constexpr u8 kPatience = 4, kMostChanges = 3;
  const u64 address = value_of(c, split.address);
  if (split.region == RegionChooser::kNone || !t.valid || hosted_.assign(c, split.region, address)) return;
  AccessHint& hint = hint_for(t, split.access);
  if (hint.miss(steady_ns()) < kPatience) return;
  hint.misses = 0;
  const std::optional<u8> better = hosted_.region_for(c, address);
  hint.region = better && ++hint.changes <= kMostChanges ? *better : AccessHint::kSoft;
  replace(t);
}

// The host had no page for an access.
void JitTier::learn_refusal(Context& c, Translation& t, u16 insn, Step step) {
  constexpr u8 kPatience = 16;
  if (step == Step::Fault) return hosted_.faulted();
  if (hosted_.refused(c, host_frame_.fault_address, host_frame_.fault_write) || !t.valid) return;
  AccessHint& hint = hint_for(t, insn);
  if (hint.miss(steady_ns()) < kPatience) return;
  hint.misses = 0;
  hint.region = AccessHint::kSoft;
  replace(t);
}

}  // namespace tandem::jit
