// JitTier's regions as they run: when one may be entered, what of the CPU it has in the host's registers, and
// how it is left.
#include <algorithm>
#include <utility>

#include "core/mmu/walk.h"
#include "core/semantics/host/availability.h"
#include "jit/base/op_kinds.h"
#include "jit/llvm/liftable.h"
#include "jit/runtime/jit_tier.h"
#include "jit/runtime/tier_state.h"

namespace tandem::jit {

using cpu::Step;
using interp::Context;

namespace {

constexpr u32 kMxcsrMasks = 0x1f80;
bool exceptions_are_masked(const Context& c) { return (c.state.vector.mxcsr & kMxcsrMasks) == kMxcsrMasks; }

// And none is pending, so that no x87 instruction raises one.
bool x87_exceptions_are_masked(const Context& c) {
  const cpu::X87State& x = c.state.vector.x87;
  return (x.fcw & semantics::kFswExceptions) == semantics::kFswExceptions && !(x.fsw & semantics::kFswEs);
}

void set_mxcsr(u32 v) { asm volatile("ldmxcsr %0" : : "m"(v)); }
u32 mxcsr() {
  u32 v;
  asm volatile("stmxcsr %0" : "=m"(v));
  return v;
}

void clear_upper_vectors(Context& c, u32 registers) {
  constexpr std::size_t kXmmBytes = 16;
  for (unsigned n = 0; n < 16; ++n)
    if (registers >> n & 1) {
      auto& bytes = c.state.vector.zmm[n].bytes;
      std::fill(std::begin(bytes) + kXmmBytes, std::end(bytes), u8{0});
    }
}

}  // namespace

// Physical address of a page of code; nothing where there is none. The CPU stays as it is but for accessed
// bits, which it may set for what it might fetch (SDM vol. 3, 4.8).
std::optional<u64> JitTier::code_page(Context& c, u64 linear) {
  if (!is_canonical(linear)) return {};
  const cpu::GuestFault before = c.fault;
  mmu::Translation t;
  const bool there = mmu::translate(c, linear, mmu::Access::Fetch, c.privilege, t);
  c.fault = before;
  return there ? std::optional(t.physical >> kPageShift) : std::nullopt;
}

bool JitTier::pages_are_there(Context& c, Region& region) {
  const u64 generation = generation_ + dropped_pages_;
  if (region.checked_page == c.tier.page && region.checked_generation == generation) return true;
  for (const Region::Page& page : region.pages) {
    const u64 linear = c.tier.page + static_cast<u64>(page.distance);
    if (code_page(c, linear) != page.physical) return false;
    c.code_pages.add(linear, false);
  }
  region.checked_page = c.tier.page;
  region.checked_generation = generation;
  return true;
}

bool JitTier::may_enter(Context& c, Region& region) {
  const RegionVectors& vectors = region.code.vectors;
  return rsp_is_verified(c) && (!vectors.used || exceptions_are_masked(c)) &&
         (!vectors.x87 || x87_exceptions_are_masked(c)) && pages_are_there(c, region);
}

// With the guest's x87 state and MXCSR in the host, where the code has to do with them. Nothing before the
// code says what type of function it is, as a sanitizer would have it.
[[clang::no_sanitize("function")]] u32 JitTier::run_code(Context& c, const CompiledRegion& code) {
  const RegionVectors& vectors = code.vectors;
  if (vectors.x87) load_x87(&c);
  if (vectors.used) set_mxcsr(c.state.vector.mxcsr);
  const u32 number = code.run(&c);
  if (vectors.used) {
    c.state.vector.mxcsr = mxcsr();
    set_mxcsr(c.tier.host_mxcsr);
  }
  if (vectors.x87) save_x87(&c);
  return number;
}

// The flags are in the slot, the budget in the context.
const u8* JitTier::run_region(Context& c, Translation& t) {
  constexpr u64 kPatience = 64;
  if (!t.moves) c.tier.page = page_of(t.rip);
  Region& region = *t.region;
  const auto stay_in_tier_1 = [&] {
    ++region_figures_.refused;
    if (++region.times_refused == kPatience) {
      t.retry_at = batch_ + 8 * (++t.tries);
      drop(region);
    }
    c.tier.t0 = c.state.gpr[kT0];
    set_t1(c, true);
    return t.own_entries().get(true, rsp_is_verified(c));
  };
  if (!may_enter(c, region)) return stay_in_tier_1();
  const i64 before = c.remaining;
  host_frame_.signal = 0;
  const RegionExit& exit = region.code.exits[run_code(c, region.code)];
  if (exit.kind == RegionExit::Kind::Refused) return stay_in_tier_1();
  const RegionVectors& vectors = region.code.vectors;
  if (vectors.clears_upper && std::exchange(c.tier.upper_cleared, 0)) clear_upper_vectors(c, ~vectors.whole);
  c.upper_vectors_written |= vectors.wide || vectors.clears_upper;
  look_at_upper_vectors(c);
  const u8* const next = leave_region(c, region, exit);
  const u64 retired = static_cast<u64>(before - c.remaining);
  ++region_figures_.entries;
  region_figures_.retired += retired;
  region.retired += retired;
  if (++region.times_entered == Region::kEnoughEntries) {
    one_was_entered_enough_ = true;
    c.requests.fetch_or(cpu::kRequestProfile, std::memory_order_relaxed);
  }
  region.retired_in_stretch += retired;
  return next;
}

// Code of a region changes no mode.
const u8* JitTier::go_on_behind(Context& c, const Region& region) {
  c.block = nullptr;
  c.left = Step::Branch;
  if (c.requests.load(std::memory_order_relaxed) || c.remaining <= 0 || !rsp_is_verified(c)) return nullptr;
  return go_by(c, tables_[region.head().mode_index]);
}

// A repetition finds the regions of its operands as it runs, if there are such.
void JitTier::assign_regions_of_string(Context& c, const isa::Insn& insn) {
  if (!is_flat_repetition(insn) || !c.state.gpr[cpu::kRcx]) return;
  hosted_.region_for(c, c.state.gpr[cpu::kRdi]);
  if (has_source(string_kind(insn.op))) hosted_.region_for(c, c.state.gpr[cpu::kRsi]);
}

const u8* JitTier::leave_region(Context& c, const Region& region, const RegionExit& exit) {
  const u64 page = c.tier.page;
  switch (exit.kind) {
    case RegionExit::Kind::Site:
    case RegionExit::Kind::Indirect: {
      Translation& t = *region.blocks[exit.block];
      if (exit.kind == RegionExit::Kind::Site) {
        ++region_figures_.sites;
        c.tier.page = page + page_of(static_cast<u64>(region.places[exit.block]));
        assign_regions_of_string(c, t.block->insns[exit.insn]);
        // Tier 1's code behind it relies on what it looked at before: the region did not.
        return execute_insn(c, t, exit.insn, host_frame_.signal != 0, false);
      }
      c.flags.set_rflags(rflags_of(c.tier.flags));
      const u64 own_page = page + page_of(static_cast<u64>(region.places[exit.block]));
      if (!region.proven) note_target(t, static_cast<PlaceInRegion>(c.state.rip - own_page));
      if (is_canonical(c.state.rip)) return go_on_behind(c, region);
      c.tier.page = own_page;
      fault_at_branch(c, {&t, static_cast<u16>(exit.insn)});
      return nullptr;
    }
    default: break;
  }
  c.flags.set_rflags(rflags_of(c.tier.flags));
  c.state.rip = page + static_cast<u64>(exit.at);
  if (exit.kind == RegionExit::Kind::Block) return go_on_behind(c, region);
  c.block = nullptr;
  c.left = Step::Branch;
  return nullptr;
}

}  // namespace tandem::jit
