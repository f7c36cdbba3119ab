// JitTier's sites: single instructions that are executed for translated code, and how that goes on behind
// them.
#include <algorithm>
#include <atomic>

#include "core/base/assert.h"
#include "core/isa/op.h"
#include "core/semantics/host/availability.h"
#include "core/semantics/host/xsave_area.h"
#include "core/semantics/table.h"
#include "jit/runtime/jit_tier.h"
#include "jit/runtime/tier_state.h"

namespace tandem::jit {

using cpu::Step;
using interp::Context;

namespace {

// What register T0 is to hold where an addend of this number is in it.
u64 addend_of(const Context& c, u8 group) {
  return group < kHostedGroup ? c.tier.addends[group] : c.tier.regions[group - kHostedGroup].addend;
}
u64 rip_of(const Context& c, const Translation& t) { return t.moves ? c.tier.page + t.offset() : t.rip; }

}  // namespace

const u8* JitTier::on_site(Context* context, u32 id) {
  return static_cast<JitTier*>(context->upper)->execute_site(*context, id);
}

// The branch that led to an address which is none faults itself (SDM vol. 1, 3.3.7.1): back to before it.
void JitTier::fault_at_branch(Context& c, Site branch) {
  const isa::Insn& insn = branch.in->block->insns[branch.insn];
  u64& rsp = c.state.gpr[cpu::kRsp];
  if (insn.op == isa::Op::CALL_INDIRECT) rsp += 8;
  if (insn.op == isa::Op::RET) rsp -= 8 + (insn.kind[0] == isa::OperandKind::Imm ? insn.imm & 0xffff : 0);
  execute_insn(c, *branch.in, branch.insn, false, true);
}

void JitTier::load_x87(Context* c) {
  semantics::XsaveX87& area = static_cast<JitTier*>(c->upper)->host_frame_.xsave;
  area.x87 = c->state.vector.x87;
  area.xstate_bv = cpu::kXfeatureX87;
  asm volatile("xrstor64 %0" : : "m"(area), "a"(1), "d"(0));
}

// Pointers are kept only while an exception is pending (see cpu::X87State), and the host's are turned into
// the guest's.
void JitTier::save_x87(Context* c) {
  auto& tier = *static_cast<JitTier*>(c->upper);
  semantics::XsaveX87& area = tier.host_frame_.xsave;
  asm volatile("xsave64 %0\n\tfninit" : "+m"(area) : "a"(1), "d"(0));
  cpu::X87State& x = area.x87;
  if (!(x.fsw & semantics::kFswEs)) {
    x.fip = x.fdp = 0;
    x.fop = 0;
  } else if (tier.arena_->contains(x.fip)) {
    const Site site = tier.site_at(reinterpret_cast<const u8*>(x.fip));
    x.fip = rip_of(*c, *site.in) + site.in->block->insns[site.insn].offset;
    x.fdp = 0;
  }
  c->state.vector.x87 = x;
}

JitTier::Site JitTier::site_at(const u8* pc) {
  auto after = std::ranges::upper_bound(translations_, pc, {}, &Translation::code);
  ensure(after != translations_.begin(), "a signal from translated code");
  Translation& t = **--after;
  const auto behind = std::ranges::upper_bound(t.insns, static_cast<u32>(pc - t.code), {}, &InsnCode::start);
  const auto insn = static_cast<u16>(behind - t.insns.begin() - 1);
  return {&t, insn};
}

JitTier::Site JitTier::site_of_signal(Context& c) {
  const Site site = site_at(reinterpret_cast<const u8*>(host_frame_.fault_pc));
  const Translation& t = *site.in;
  const u16 insn = site.insn;
  if (!t.insns[insn].flags_in_slot) c.tier.flags = c.tier.signal_flags;
  if (t.insns[insn].budget_within) c.remaining = static_cast<i64>(c.tier.signal_t1);
  for (const Borrowed& b : t.borrowed)
    if (b.insn == insn)
      for (unsigned n = 0; n < 2; ++n)
        if (b.registers[n] != 0xff) c.state.gpr[b.registers[n]] = c.tier.spill[n];
  return site;
}

// What register T1 is to hold in code that is gone on with.
void JitTier::set_t1(Context& c, bool budget) {
  c.tier.t1 = budget ? static_cast<u64>(c.remaining) : c.state.gpr[kT1];
}

// Executes one instruction as the interpreter does; gives the code behind it, or null to leave.
const u8* JitTier::execute_site(Context& c, u32 id) {
  const Site site = id == kSignalSite ? site_of_signal(c) : sites_[id];
  Translation& t = *site.in;
  unsigned insn = site.insn & kSiteInsn;
  if (site.insn & kRegion) return run_region(c, t);
  if (site.insn & kLoadX87) {
    c.tier.x87_loaded = 1;
    set_t1(c, t.counts_in_t1);
    return t.code + t.x87_check;
  }
  bool at_entry = false;
  if (site.insn & kSplit) {
    const Split& s = t.splits[insn];
    if (const u8* on = split(c, t, s)) {
      c.tier.t0 = c.state.gpr[kT0];
      return on;
    }
    insn = s.insn;
    at_entry = s.at_entry;
  }
  if (at_entry || site.insn & (kAttention | kSplit)) {
    begin_insn(c, t, insn, !at_entry && insn >= t.counted_from);
    c.left = Step::Again;
    return nullptr;
  }
  return execute_insn(c, t, insn, id == kSignalSite, true);
}

// The state as the interpreter has it before an instruction. counted: the budget's share was taken already.
void JitTier::begin_insn(Context& c, const Translation& t, unsigned insn, bool counted) {
  c.flags.set_rflags(rflags_of(c.tier.flags));
  c.state.rip = rip_of(c, t);
  c.block = t.block;
  c.current = &t.block->insns[insn];
  if (!counted) c.remaining -= t.block->count;
}

// For the sampler, which may look at any time.
void JitTier::note_executed(Context& c, const u8* code) {
  std::atomic_ref(c.tier.executed_for).store(reinterpret_cast<u64>(code), std::memory_order_relaxed);
}

// refused: the host did not let it through. within: may go on in t.
const u8* JitTier::execute_insn(Context& c, Translation& t, unsigned insn, bool refused, bool within) {
  const bool counted = insn >= t.counted_from;
  begin_insn(c, t, insn, counted);
  auto& counts = t.insns[insn].executes ? figures_.executed : figures_.slow;
  ++counts[static_cast<std::size_t>(c.current->op)];
  note_executed(c, t.start_of(insn));
  const Step step = semantics::function_of(*c.current)(c, *c.current);
  note_executed(c, nullptr);
  look_at_upper_vectors(c);
  if (refused && t.hosted) learn_refusal(c, t, static_cast<u16>(insn), step);
  const bool mapped = generation_ == c.mapping_generation && dropped_pages_ == c.dropped_pages;
  if (step == Step::Next && t.valid && mapped && within) {
    c.tier.flags = slot_of(c.flags.rflags());
    if (!counted) c.remaining += t.block->count;
    const u8 holds = t.insns[insn + 1].t0_holds;
    c.tier.t0 = holds == kGuestValue ? c.state.gpr[kT0] : addend_of(c, holds);
    set_t1(c, t.insns[insn + 1].budget_at_start);
    return t.start_of(insn + 1);
  }
  if (step == Step::EndBlock || step == Step::Next) {
    c.remaining += t.block->count - (insn + 1);
    c.state.rip = semantics::next_rip(c, *c.current);
    return go_on(c);
  }
  if (step == Step::Branch) return go_on(c);
  c.left = step;
  return nullptr;
}

// At a boundary with rip and count up to date: on with the next translation if nothing needs the
// interpreter's look.
const u8* JitTier::go_on(Context& c) {
  c.block = nullptr;
  c.left = Step::Branch;
  if (c.remaining > 0) interp::drop_idle_shadow(c);
  if (c.requests.load(std::memory_order_relaxed) || c.held || c.remaining <= 0 ||
      c.state.events.debug_traps || c.state.activity != cpu::Activity::Running ||
      interp::needs_single_step(c) || !prepare(c))
    return nullptr;
  const TranslationMode mode = translation_mode(c, hosted_.active(), segment_uses_);
  if (mode & kHostedMode && !rsp_is_verified(c)) return nullptr;
  const auto table =
      std::find_if(tables_.begin(), tables_.end(), [&](const ModeTable& m) { return m.mode == mode; });
  if (table == tables_.end()) return nullptr;
  c.tier.flags = slot_of(c.flags.rflags());
  return go_by(c, *table);
}

const u8* JitTier::go_by(Context& c, const ModeTable& table) {
  const u64 linear = interp::linear_rip(c);
  const u8* code = table.table.find(linear);
  if (!code) return nullptr;
  const u64 entry = linear & (JumpTable::kEntries - 1);
  const bool moves = table.moves(), hosted = table.mode & kHostedMode;
  c.tier.branch_target = c.state.rip;
  c.tier.t0 = moves && hosted ? entry : c.state.rip;
  c.tier.t1 = hosted ? static_cast<u64>(c.remaining) : entry;
  return code;
}

}  // namespace tandem::jit
