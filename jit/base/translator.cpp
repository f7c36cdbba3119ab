#include "jit/base/translator.h"

#include <algorithm>
#include <utility>

#include "core/isa/op.h"
#include "core/mmu/segment.h"
#include "core/semantics/host/availability.h"
#include "core/semantics/host/host_insn.h"
#include "core/semantics/host/run.h"
#include "core/semantics/system.h"
#include "jit/base/rewrite.h"
#include "jit/runtime/jump_table.h"

namespace tandem::jit {

using isa::Insn;
using isa::Op;
using isa::OperandKind;

namespace {

bool may_share_check(Form form) {
  switch (form) {
    case Form::Memory:
    case Form::Push:
    case Form::PushFlags:
    case Form::Pop:
    case Form::Leave:
    case Form::Call:
    case Form::CallIndirect:
    case Form::Return: return true;
    default: return false;
  }
}

}  // namespace

Translator::Translator(interp::Context& context, const Stubs& stubs, Ids& ids, JitOptions options)
    : context_(context), stubs_(stubs), ids_(ids), options_(options) {}

void Translator::encode(std::span<const u8> bytes) {
  const auto insns = std::span(t_->block->insns).first(t_->block->count);
  encoder_.encode(insns, bytes, code_size_, context_.mode.protected_mode, encoded_);
  if (code_size_ != 2) return;
  for (std::size_t n = 0; n < insns.size(); ++n)
    encoded_[n].operand_prefix = operand_prefix(insns[n], encoded_[n]);
}

void Translator::begin_block(Translation& t) {
  t_ = &t;
  code_size_ = t.block->key.mode & interp::kCodeSize;
  wide_ = code_size_ == 8;
  word_ = wide_ ? 8 : 4;
  counts_in_t1_ = budget_in_t1_ = t.counts_in_t1;
}

std::span<const u8> Translator::translate(Translation& t, std::span<const u8> bytes, const u8* base,
                                          const u64* table, RegionChooser* regions) {
  begin_block(t);
  base_ = base;
  table_ = table;
  regions_ = regions;
  a_.clear();
  slow_.clear();
  vector_loads_.clear();
  exits_.clear();
  fixups_.clear();
  const unsigned count = t.block->count;
  t.insns.reserve(count + 1);
  encode(bytes);
  forms_.resize(count);
  uses_.resize(count);
  for (unsigned i = 0; i < count; ++i) {
    const Insn& insn = t.block->insns[i];
    forms_[i] = form_of(insn, encoded_[i]);
    uses_[i] = forms_[i] == Form::Execute ? kExecutedFlags : encoded_[i].flags;
    if (options_.exact_flags && may_fault(insn, forms_[i])) uses_[i].reads = kAllFlags;
  }
  if (options_.exact_flags) execute_undefined(uses_);
  live_flags(uses_, live_);
  unsigned counted = 0;
  while (counted < count && live_[counted] != 0) ++counted;
  if (counted == count || options_.exact_count) counted = 0;
  t.counted_from = counted;
  find_shared_checks();
  checked_entry();
  align_entry();
  bool x87 = false;
  Vectors vectors = Vectors::None;
  for (unsigned i = 0; i < count; ++i) {
    current_ = i;
    prepare_temporaries(i == counted);
    start_insn();
    if (i == counted) {
      count_block(i);
      t.behind_count = a_.size();
      hoisted_checks();
    }
    if (const Vectors wanted = needs_vectors(i); wanted > vectors) {
      release_temporaries();
      ensure_vectors(vectors = wanted);
    }
    if (!x87 && (x87 = needs_x87(i))) {
      release_temporaries();
      ensure_x87();
    }
    emit(i);
  }
  release_temporaries();
  current_ = count;
  start_insn();
  const Insn& last = t.block->insns[count - 1];
  if (isa::flow_of(last.op) != isa::Flow::Branch) exit_to(cut(t.rip + t.block->bytes));
  if (saves_at_entry_) saving_entry();
  unverified_entries();
  vector_loads();
  slow_paths();
  exit_stubs();
  t.size = a_.size();
  if (regions_) note_regions();
  apply_fixups();
  return a_.code();
}

void Translator::apply_fixups() {
  for (const Fixup& f : fixups_)
    store_le<u32>(
        a_.code().data() + f.from.at,
        static_cast<u32>(reinterpret_cast<u64>(f.to) - reinterpret_cast<u64>(base_ + f.from.at + 4)));
}

void Translator::note_regions() {
  const auto region = [](const SharedCheck& c) {
    return c.hosted() ? static_cast<u8>(c.group - kHostedGroup) : RegionChooser::kNone;
  };
  t_->regions.clear();
  for (const auto* checks : {&shared_.of, &shared_.second})
    for (const SharedCheck& c : *checks) t_->regions.push_back(region(c));
}

// What is hosted is always checked by region. Of others two share a check, or a single one is moved to where
// flags need not be saved for it.
bool Translator::may_share_checks() const {
  if (regions_) return true;
  unsigned accesses = 0;
  for (unsigned i = 0; i < forms_.size() && accesses < 2; ++i)
    if (may_share_check(forms_[i])) accesses += i > t_->counted_from && live_[i] ? 2 : 1;
  return accesses >= 2;
}

void Translator::find_shared_checks() {
  const std::span<const Insn> insns(t_->block->insns.data(), t_->block->count);
  shared_.of.assign(insns.size(), {});
  shared_.second.assign(insns.size(), {});
  shared_.hoisted.clear();
  if ((options_.merge || regions_) && !t_->is_twin && may_share_checks())
    sharing_.share({insns, encoded_, forms_, live_, t_->counted_from, word_, regions_, &context_.state,
                    t_->rip, t_->moves},
                   shared_);
  rsp_verified_ = regions_ && wide_ && shared_.rsp_stays;
  t0_addend_ = kNoGroup;
}

void Translator::emit(unsigned i) {
  const Insn& insn = t_->block->insns[i];
  const Encoded& d = encoded_[i];
  borrowed_[0] = borrowed_[1] = kNone;
  second_ = false;
  held_ = std::exchange(t0_addend_, kNoGroup);
  // Forms with memory operands see to it behind their check.
  if (forms_[i] != Form::Memory && forms_[i] != Form::SegmentedMemory && wants_host_flags(i) &&
      flags_at_ == FlagsAt::Slot) {
    held_ = kNoGroup;
    release_temporaries();
    flags_into_host(kT0);
  }
  switch (forms_[i]) {
    case Form::Nothing: t0_addend_ = held_; break;
    case Form::Copy: copy(d); break;
    case Form::Memory: memory(insn, d); break;
    case Form::Lea: lea(insn, d); break;
    case Form::OffsetLea: offset_lea(insn); break;
    case Form::Push: push(insn, d); break;
    case Form::PushFlags: push_flags(); break;
    case Form::Pop: pop(insn); break;
    case Form::Leave: leave(); break;
    case Form::Call: call(insn); break;
    case Form::CallIndirect: call_indirect(insn, d); break;
    case Form::Jump: exit_to(target_of(insn)); break;
    case Form::JumpIndirect: jump_indirect(insn, d); break;
    case Form::Condition: condition(insn); break;
    case Form::Count: branch_by_count(insn); break;
    case Form::Return: ret(insn); break;
    case Form::SetFlag: set_flag(insn); break;
    case Form::Sti: sti(insn); break;
    case Form::ReadSegment: read_segment(insn); break;
    case Form::SwapGs: swap_gs(); break;
    case Form::ReadTsc: read_tsc(insn); break;
    case Form::SegmentedMemory: segmented_memory(insn, d); break;
    case Form::SegmentedPush: segmented_push(insn, d); break;
    case Form::SegmentedPushFlags: segmented_push_flags(insn); break;
    case Form::SegmentedPop: segmented_pop(insn); break;
    case Form::SegmentedPopMemory: segmented_pop_memory(insn); break;
    case Form::PushAll: push_all(insn); break;
    case Form::PopAll: pop_all(insn); break;
    case Form::PushSegment: push_segment(insn); break;
    case Form::StoreSegment: store_segment(insn); break;
    case Form::LoadSegment: load_segment(insn); break;
    case Form::BitString: bit_string(insn, d); break;
    case Form::String: string(insn); break;
    case Form::RepeatedString: repeated_string(insn); break;
    case Form::Translate: translate_byte(insn); break;
    case Form::Gather: gather(insn, d); break;
    case Form::SegmentedLeave: segmented_leave(insn); break;
    case Form::SegmentedCall: segmented_call(insn); break;
    case Form::SegmentedCallIndirect: segmented_call_indirect(insn, d); break;
    case Form::SegmentedJumpIndirect: segmented_jump_indirect(insn, d); break;
    case Form::SegmentedReturn: segmented_return(insn); break;
    case Form::Execute: execute(); break;
  }
  t_->insns.back().flags_in_slot = flags_at_ != FlagsAt::Host;
  if (uses_[i].writes && forms_[i] != Form::Execute) flags_at_ = FlagsAt::Host;
}

// What the next instruction may need T0 and T1 for; who may leave the code finds all in the state.
void Translator::prepare_temporaries(bool counts) {
  const Form form = forms_[current_];
  const Insn& insn = t_->block->insns[current_];
  const bool copied =
      form == Form::Copy || form == Form::Lea || form == Form::OffsetLea || form == Form::Nothing;
  if (counts || (!copied && form != Form::Memory)) return release_temporaries();
  if (may_fault(insn, form)) write_back();
  if (copied) return;
  for (const u8 reg : {kT0, kT1})
    if (!names_gpr(insn, reg)) held_value(reg) = Held::No;
}

void Translator::start_insn() {
  const bool executes = current_ < t_->block->count && forms_[current_] == Form::Execute;
  const u8 t0_holds = t0_addend_ == kNoGroup ? kGuestValue : t0_addend_;
  t_->insns.push_back({a_.size(), t0_holds, executes, false, budget_in_t1_, budget_in_t1_});
}

// Where flags that the host may set otherwise than the interpreter can be seen, the interpreter sets them.
void Translator::execute_undefined(std::span<FlagUse> uses) {
  u32 live = kAllFlags;
  for (std::size_t i = uses.size(); i-- > 0;) {
    if (forms_[i] != Form::Execute && (encoded_[i].undefined_flags & live)) {
      forms_[i] = Form::Execute;
      uses_[i] = kExecutedFlags;
    }
    live = (live & ~uses_[i].kills) | uses_[i].reads;
  }
}

void Translator::execute() {
  if (budget_in_t1_) a_.store(remaining(), kT1);
  a_.mov_imm(kT1, ids_.new_site(*t_, static_cast<u16>(current_)));
  jump_to(flags_at_ == FlagsAt::Host ? stubs_.site : stubs_.site_saved);
  flags_at_ = FlagsAt::Both;
}

// Does the instruction look at flags, or leave some that are live as they were?
bool Translator::wants_host_flags(unsigned i) const {
  switch (forms_[i]) {  // which take them from the slot
    case Form::Execute:
    case Form::PushFlags:
    case Form::SegmentedPushFlags: return false;
    default: break;
  }
  const u32 live_behind = i + 1 < live_.size() ? live_[i + 1] : kAllFlags;
  return uses_[i].reads || (uses_[i].writes && (live_behind & ~uses_[i].kills));
}

// --- The block's head -------------------------------------------------------------------------------------

// Who comes from a jump table has the rip in T0, or, where T1 is the budget, in TierFrame::branch_target; it
// may be another with the same low bits. The flags are in the slot. Gives the offset behind the look at the
// rip.
u32 Translator::check_entered() {
  if (t_->moves) check_place();
  else check_rip();
  const u32 behind = a_.size();
  if (!t_->moves) check_mapping();
  return behind;
}

void Translator::checked_entry() {
  t_->mapped_entry = check_entered();
  t_->entry_saved = a_.size();
  flags_at_ = FlagsAt::Host;
  saves_at_entry_ = (live_[0] || options_.exact_flags) && loses_flags_first();
  if (saves_at_entry_) {
    flags_at_ = FlagsAt::Slot;
    return;
  }
  if (live_[0] || options_.exact_flags) restore_flags(kT0);
  t_->entry = a_.size();
}

void Translator::check_rip() {
  const i32 low = static_cast<i32>(t_->rip);
  const bool fits = static_cast<u64>(static_cast<i64>(low)) == t_->rip;
  if (counts_in_t1_ && fits) {
    a_.alu_imm(Alu::Cmp, branch_target(), low);
  } else if (counts_in_t1_) {
    a_.mov_imm(kT0, t_->rip);
    a_.alu(Alu::Cmp, kT0, branch_target());
  } else if (!wide_ || fits) {
    a_.alu_imm(Alu::Cmp, kT0, low, wide_);
  } else {
    a_.mov_imm(kT1, t_->rip);
    a_.alu(Alu::Cmp, kT0, kT1);
  }
  jump_to(Cc::Nz, counts_in_t1_ ? stubs_.indirect_hosted : stubs_.indirect);
  if (t_->mode & kSegmentedMode) check_code_segment();
}

// Of a segmented mode, which is not a hosted one.
void Translator::check_code_segment() {
  const cpu::Segment& cs = context_.state.segments[cpu::kCs];
  a_.alu_imm(Alu::Cmp, field(&cs.base), static_cast<i32>(t_->code_base), false);
  jump_to(Cc::Nz, stubs_.indirect);
  a_.alu_imm(Alu::Cmp, field(&cs.limit), static_cast<i32>(t_->code_limit), false);
  jump_to(Cc::Nz, stubs_.indirect);
}

// Tables keep what leads to code that does not move, whatever becomes of its mapping.
void Translator::check_mapping() {
  const u8 temp = counts_in_t1_ ? kT0 : kT1;
  a_.load(temp, field(&context_.tier.generation[t_->global]));
  a_.alu(Alu::Cmp, temp, field(t_->cell));
  jump_to(Cc::Nz, counts_in_t1_ ? stubs_.indirect_hosted : stubs_.indirect);
}

// Who comes has the entry's number in T1 or, where that is the budget, in T0.
void Translator::check_place() {
  const i32 rips = address_of(table_ + JumpTable::kEntries);
  if (counts_in_t1_) {
    a_.load(kT0, Mem{kNone, kT0, 3, rips, false});
    a_.alu(Alu::Cmp, kT0, branch_target());
  } else {
    a_.alu(Alu::Cmp, kT0, Mem{kNone, kT1, 3, rips, false});
  }
  jump_to(Cc::Nz, counts_in_t1_ ? stubs_.indirect_hosted : stubs_.indirect);
  a_.lea(kT0, at(kT0, -static_cast<i32>(t_->offset())));
  // No store where it is the same page: what reads it next would have to wait for the branch's target.
  a_.alu(Alu::Cmp, kT0, page());
  const Hole same = a_.jump(Cc::Z);
  a_.store(page(), kT0);
  a_.fill(same);
}

// reg = an address that is relative to the code's.
void Translator::code_address(u8 reg, u64 address, bool wide) {
  if (!t_->moves) return a_.mov_imm(reg, wide ? address : static_cast<u32>(address));
  a_.load(reg, page());
  a_.lea(reg, at(reg, from_page(address)), wide);
}

// Loops run much faster where their first instruction begins a line of the host's caches. What comes before
// it is moved towards it.
void Translator::align_entry() {
  const u32 padding = -a_.size() % semantics::CodeArena::kAlignment;
  a_.pad_front(padding);
  for (Fixup& f : fixups_) f.from.at += padding;
  t_->checked_entry += padding;
  t_->mapped_entry += padding;
  t_->entry += padding;
  t_->entry_saved += padding;
}

// Will the flags of the block's beginning be saved before the host has a use for them?
bool Translator::loses_flags_first() const {
  for (unsigned i = 0; i < t_->block->count; ++i) {
    if ((i == t_->counted_from && counting_loses_flags()) || forms_[i] == Form::Execute) return true;
    const bool checks = has_check(i);
    if (checks || (uses_[i].writes && !wants_host_flags(i))) return checks;
    if (wants_host_flags(i)) return false;
  }
  return false;
}

// Does its code look into the soft TLB?
bool Translator::has_check(unsigned i) const {
  switch (forms_[i]) {
    case Form::Memory:
    case Form::Push:
    case Form::PushFlags:
    case Form::Pop:
    case Form::Leave:
    case Form::Call:
    case Form::CallIndirect:
    case Form::JumpIndirect:
    case Form::Return: return !shared_.of[i].follows();
    case Form::SegmentedMemory:
    case Form::SegmentedPush:
    case Form::SegmentedPushFlags:
    case Form::SegmentedPop:
    case Form::SegmentedPopMemory:
    case Form::PushAll:
    case Form::PopAll:
    case Form::PushSegment:
    case Form::StoreSegment:
    case Form::BitString:
    case Form::String:
    case Form::RepeatedString:
    case Form::Translate:
    case Form::Gather:
    case Form::SegmentedLeave:
    case Form::SegmentedCall:
    case Form::SegmentedCallIndirect:
    case Form::SegmentedJumpIndirect:
    case Form::SegmentedReturn: return true;
    default: return false;
  }
}

// Who comes with the flags in the host's register.
void Translator::saving_entry() {
  t_->entry = a_.size();
  save_flags(kT0);
  a_.fill(a_.jump(), t_->entry_saved);
}

// Who does not know where RSP is. Where it is elsewhere, the block's twin runs.
void Translator::unverified_entries() {
  t_->unverified = t_->entry;
  t_->unverified_saved = t_->entry_saved;
  if (!regions_ || !wide_) return;
  t_->unverified_saved = a_.size();
  check_rsp_at_entry();
  a_.fill(a_.jump(), t_->entry_saved);
  t_->unverified = a_.size();
  const bool live = live_[0] || options_.exact_flags;
  if (live) save_flags(kT0);
  check_rsp_at_entry();
  a_.fill(a_.jump(), live ? t_->entry_saved : t_->entry);
}

void Translator::check_rsp_at_entry() {
  constexpr u8 kStack = kHostedGroup + interp::TierFrame::kStackRegion;
  a_.mov(kT0, kSp);
  compare_region(kStack, kT0);
  SlowPath path{a_.jump(Cc::Nz), 0, {kNone, kNone}, true, true};
  path.at_entry = true;
  slow_.push_back(path);
}

// Jump tables lead to those who rely on it. Flags are in the slot, the rip is in TierFrame::branch_target.
void Translator::check_rsp_at_exit() {
  if (!counts_in_t1_ || !wide_ || rsp_verified_) return;
  a_.mov(kT0, kSp);
  compare_region(kHostedGroup + interp::TierFrame::kStackRegion, kT0);
  jump_to(Cc::Nz, stubs_.indirect_hosted);
}

// Takes the block's instructions from the budget, and looks whether it is spent or somebody asked for
// attention. A block that only leads on leaves the look to one of those behind it.
void Translator::count_block(unsigned i) {
  const i32 count = static_cast<i32>(t_->block->count);
  t0_addend_ = kNoGroup;
  budget_into_t1_before();
  const bool by_lea = counts_in_t1_ && (!looks_for_attention() || !t_->limited);
  if (by_lea) a_.lea(kT1, at(kT1, -count));
  if (by_lea && !looks_for_attention()) return;
  flags_into_slot(kT0);
  if (!counts_in_t1_) a_.alu_imm(Alu::Sub, remaining(), count);
  else if (!by_lea) a_.alu_imm(Alu::Sub, kT1, count);
  if (looks_for_attention()) {
    if (t_->limited) add_slow_path({a_.jump(Cc::S), static_cast<u16>(i | kAttention)});
    a_.alu_imm(Alu::Cmp, field(&context_.requests), 0, false);
    add_slow_path({a_.jump(Cc::Nz), static_cast<u16>(i | kAttention)});
  }
  flags_lost();
}

bool Translator::looks_for_attention() const { return options_.exact_count || !leads_on(); }
bool Translator::counting_loses_flags() const {
  return !counts_in_t1_ || looks_for_attention() || !shared_.hoisted.empty();
}

// T1 for something else than the budget, from here to the next exit.
void Translator::free_t1() {
  if (!budget_in_t1_) return;
  a_.store(remaining(), kT1);
  budget_in_t1_ = false;
  if (!t_->insns.empty()) t_->insns.back().budget_within = false;
}

// No guest register is in T1.
void Translator::budget_into_t1() {
  if (!counts_in_t1_ || budget_in_t1_) return;
  a_.load(kT1, remaining());
  budget_in_t1_ = true;
}

// The same before anything of the present instruction.
void Translator::budget_into_t1_before() {
  budget_into_t1();
  t_->insns.back().budget_within = budget_in_t1_;
}

void Translator::add_slow_path(SlowPath path) {
  path.budget_in_t1 = budget_in_t1_;
  slow_.push_back(path);
}

// Are all exits direct ones to higher addresses? No loop consists of such blocks alone.
bool Translator::leads_on() const {
  const Insn& last = t_->block->insns[t_->block->count - 1];
  const bool falls = next_of(last) > t_->rip, branches = target_of(last) > t_->rip;
  switch (forms_[t_->block->count - 1]) {
    case Form::Jump:
    case Form::Call:
    case Form::SegmentedCall: return branches;
    case Form::Condition:
    case Form::Count: return falls && branches;
    default: return isa::flow_of(last.op) == isa::Flow::Normal && falls;
  }
}

// SSE instructions leave all but the XMM registers alone.
Translator::Vectors Translator::needs_vectors(unsigned i) const {
  const Insn& insn = t_->block->insns[i];
  const bool is_vector = insn.op == Op::HOST || insn.op == Op::VZEROUPPER || insn.op == Op::VZEROALL;
  if (!is_vector || forms_[i] == Form::Execute) return Vectors::None;
  if (insn.op != Op::HOST) return Vectors::All;
  // Some of MMX convert by MXCSR.
  if (static_cast<const semantics::HostInsn*>(insn.host)->unit == semantics::Unit::X87) return Vectors::None;
  return encoded_[i].insn.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY ? Vectors::Xmm : Vectors::All;
}

bool Translator::needs_x87(unsigned i) const {
  const Insn& insn = t_->block->insns[i];
  return insn.op == Op::HOST && forms_[i] != Form::Execute &&
         static_cast<const semantics::HostInsn*>(insn.host)->x87_state;
}

void Translator::ensure_x87() {
  t0_addend_ = kNoGroup;
  budget_into_t1_before();
  flags_into_slot(kT0);
  t_->x87_check = a_.size();
  a_.alu_imm(Alu::Cmp, field(&context_.tier.x87_loaded), 0, false);
  add_slow_path({a_.jump(Cc::Z), static_cast<u16>(current_ | kLoadX87)});
  flags_lost();
}

void Translator::ensure_vectors(Vectors what) {
  t0_addend_ = kNoGroup;
  flags_into_slot(kT0);
  const bool all = what == Vectors::All;
  a_.alu_imm(Alu::Cmp, field(&context_.tier.vectors_loaded), all ? 2 : 0, false);
  const Hole not_loaded = a_.jump(all ? Cc::Nz : Cc::Z);
  vector_loads_.push_back({not_loaded, a_.size(), all});
  flags_lost();
}

void Translator::vector_loads() {
  for (const VectorLoad& load : vector_loads_) {
    a_.fill(load.from);
    a_.fill(a_.lea_rip(kT0), load.back);
    a_.jump(field(load.all ? &context_.tier.vector_load_all : &context_.tier.vector_load));
  }
}

}  // namespace tandem::jit
