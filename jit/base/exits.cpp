// Where blocks are left: to each other, to the dispatcher, to sites.
#include <algorithm>

#include "core/isa/op.h"
#include "jit/base/op_kinds.h"
#include "jit/base/translator.h"
#include "jit/runtime/jump_table.h"

namespace tandem::jit {

using isa::Insn;
using isa::Op;

void Translator::jump_to(const u8* code) { fixups_.push_back({a_.jump(), code}); }
void Translator::jump_to(Cc cc, const u8* code) { fixups_.push_back({a_.jump(cc), code}); }

void Translator::link_here(u64 target, Hole from) {
  const u32 id = ids_.new_link({.from = t_,
                                .field = from.at,
                                .target = target,
                                .flags_in_slot = flags_at_ == FlagsAt::Slot,
                                .rsp_verified = rsp_verified_});
  exits_.push_back({id, from, flags_at_ != FlagsAt::Host});
}

// Within the page one mapping holds for both ends.
void Translator::exit_to(u64 target) {
  budget_into_t1();
  if (in_same_page(target)) {
    link_here(target, a_.jump());
    return;
  }
  if (options_.links && options_.across) exit_across(target);
  else exit_by_table(target);
}

// The target's code looks whether it is still mapped there, and goes where the table would if it is not.
void Translator::exit_across(u64 target) {
  flags_into_slot(kT0);
  if (t_->moves) {
    u64* const cell = ids_.new_cell();
    return cell ? across_from_moving(target, cell) : exit_by_table(target);
  }
  name_target(target);
  const Hole from = a_.jump();
  const u32 id = ids_.new_link({.from = t_,
                                .field = from.at,
                                .target = target,
                                .flags_in_slot = true,
                                .rsp_verified = true,
                                .across = true});
  exits_.push_back({.link = id, .from = from, .flags_in_slot = true});
}

// The cell says where the code must be for the link to hold; elsewhere the table leads on.
void Translator::across_from_moving(u64 target, u64* cell) {
  a_.load(kT0, page());
  a_.alu(Alu::Cmp, kT0, field(cell));
  const Hole elsewhere = a_.jump(Cc::Nz);
  a_.lea(kT0, at(kT0, from_page(target & ~kPageMask)), wide_);
  a_.store(page(), kT0);
  const Hole from = a_.jump();
  const u32 id = ids_.new_link({.from = t_,
                                .field = from.at,
                                .target = target,
                                .flags_in_slot = true,
                                .rsp_verified = rsp_verified_,
                                .across = true,
                                .cell = cell,
                                .elsewhere = elsewhere.at});
  exits_.push_back({id, from, true, true, elsewhere, target});
}

// As checked entries, and who finds none, expect it.
void Translator::name_target(u64 target) {
  code_address(kT0, target, wide_);
  if (counts_in_t1_) a_.store(branch_target(), kT0);
  check_rsp_at_exit();
}

void Translator::exit_by_table(u64 target) {
  flags_into_slot(kT0);
  name_target(target);
  if (!t_->moves) return a_.jump(field(table_ + (t_->linear(target) & (JumpTable::kEntries - 1))));
  jump_by_table();
}

// Of a hosted mode. The budget is put where compiled code finds it.
std::span<const u8> Translator::region_entry(Translation& t, u32 site, const u64* table, const u8* base,
                                             EntryPoints& entries) {
  begin_block(t);
  base_ = base;
  table_ = table;
  a_.clear();
  fixups_.clear();
  const u32 mapped = check_entered();
  const u32 saved = a_.size();
  a_.store(remaining(), kT1);
  a_.mov_imm(kT1, site);
  jump_to(stubs_.site_saved);
  const u32 plain = a_.size();
  save_flags(kT0);
  a_.fill(a_.jump(), saved);
  apply_fixups();
  entries = {.checked = base,
             .plain = base + plain,
             .saved = base + saved,
             .mapped = base + mapped,
             .unverified = base + plain,
             .unverified_saved = base + saved};
  return a_.code();
}

std::span<const u8> Translator::table_exit(const Link& link, const u64* table, const u8* base) {
  a_.clear();
  base_ = base;
  fixups_.clear();
  begin_block(*link.from);
  table_ = table;
  live_.assign(1, kAllFlags);
  current_ = 0;
  flags_at_ = link.flags_in_slot ? FlagsAt::Slot : FlagsAt::Host;
  rsp_verified_ = link.rsp_verified;
  exit_by_table(link.target);
  apply_fixups();
  return a_.code();
}

// To the target by this jump, where it is taken.
void Translator::exit_by(Hole taken, u64 target, u64 otherwise) {
  if (in_same_page(target)) {
    link_here(target, taken);
    return exit_to(otherwise);
  }
  const FlagsAt before = flags_at_;
  exit_to(otherwise);
  flags_at_ = before;
  a_.fill(taken);
  exit_to(target);
}

void Translator::condition(const Insn& insn) {
  budget_into_t1();
  exit_by(a_.jump(static_cast<Cc>(condition_code(insn.op))), target_of(insn), next_of(insn));
}

// Taken where the count of this many bytes is not 0. Flags stay; in 64-bit mode the host knows no CX alone.
Hole Translator::jump_if_counting(unsigned size) {
  if (size == 2) {
    a_.mov(kT0, kCx);
    a_.movzx16(kCx, kCx);
  }
  const ShortHole none = a_.jump_if_no_count(size == 8);
  if (size == 2) a_.mov(kCx, kT0);
  const Hole counting = a_.jump();
  a_.fill(none);
  if (size == 2) a_.mov(kCx, kT0);
  return counting;
}

void Translator::branch_by_count(const Insn& insn) {
  const u64 target = target_of(insn), behind = next_of(insn);
  const unsigned size = insn.address_size;
  budget_into_t1();
  if (insn.op != Op::LOOP && insn.op != Op::LOOPE && insn.op != Op::LOOPNE)
    return exit_by(jump_if_counting(size), behind, target);
  const Mem less = at(kCx, -1);
  if (size == 2) a_.lea16(kCx, less);
  else a_.lea(kCx, less, size == 8);
  if (insn.op == Op::LOOP) return exit_by(jump_if_counting(size), target, behind);
  const Hole ended = a_.jump(insn.op == Op::LOOPE ? Cc::Nz : Cc::Z);
  const Hole counting = jump_if_counting(size);
  a_.fill(ended);
  exit_by(counting, target, behind);
}

// To the guest rip in T0; flags are in the slot.
void Translator::indirect_exit() {
  if (counts_in_t1_) a_.store(branch_target(), kT0);
  a_.store_imm(field(&context_.tier.branch_site),
               static_cast<i32>(ids_.new_site(*t_, static_cast<u16>(current_))), false);
  budget_into_t1();
  check_rsp_at_exit();
  jump_by_table();
}

// To the rip in T0.
void Translator::jump_by_table() {
  const u8 index = counts_in_t1_ ? kT0 : kT1;
  if (counts_in_t1_ && wide_ && !rsp_verified_) a_.load(kT0, branch_target());
  if (t_->code_base) a_.lea(index, at(kT0, static_cast<i32>(t_->code_base)), false);
  a_.movzx16(index, t_->code_base ? index : kT0);
  a_.jump(Mem{kNone, index, 3, address_of(table_), false});
}

void Translator::exit_stubs() {
  for (const ExitStub& e : exits_) {
    a_.fill(e.from);
    if (e.moves) a_.fill(e.elsewhere);
    ids_.set_stub(e.link, a_.size());
    if (counts_in_t1_) a_.store(remaining(), kT1);
    a_.mov_imm(kT1, e.link);
    jump_to(e.flags_in_slot ? stubs_.leave_saved : stubs_.leave);
    if (!e.moves) continue;
    ids_.set_by_table(e.link, a_.size());
    name_target(e.target);
    jump_by_table();
  }
}

void Translator::slow_paths() {
  t_->splits.reserve(static_cast<std::size_t>(std::ranges::count_if(slow_, &SlowPath::split)));
  for (const SlowPath& s : slow_) {
    a_.fill(s.from);
    for (unsigned n = 0; n < 2; ++n)
      if (s.borrowed[n] != kNone) a_.load(s.borrowed[n], spill(n));
    u16 site = s.insn;
    if (s.split) {
      site = static_cast<u16>(kSplit | t_->splits.size());
      // For the twin, which may have flags in either place, and the guest's registers in T0 and T1.
      if (!s.at_entry) {
        if (live_[s.insn] || options_.exact_flags) restore_flags(kT0);
        load_guest(kT0);
        if (!counts_in_t1_) load_guest(kT1);
      }
      const Hole to_twin = a_.jump();
      a_.fill(to_twin);
      t_->splits.push_back({s.insn, to_twin.at, s.access, s.region, s.at_entry, s.address});
    }
    if (s.budget_in_t1) a_.store(remaining(), kT1);
    a_.mov_imm(kT1, ids_.new_site(*t_, site));
    jump_to(stubs_.site_saved);
  }
}

}  // namespace tandem::jit
