// Memory operands in an address space that is hosted: a check that the address lies in a region, and the
// instruction with the region's host address added. What the host has no page for, it refuses (see
// HostedSpaces).
#include "jit/base/rewrite.h"
#include "jit/base/translator.h"

namespace tandem::jit {

using isa::Insn;

namespace {

bool fits(u64 v) { return static_cast<u64>(static_cast<i64>(static_cast<i32>(v))) == v; }
u8 number_of(u8 offset) {
  return offset == isa::kZeroOffset || offset == isa::kRipOffset ? LinearForm::kAbsent : offset / 8;
}
bool is_constant_form(const LinearForm& f) {
  return f.base == LinearForm::kAbsent && f.index == LinearForm::kAbsent &&
         f.segment == LinearForm::kAbsent && !f.from_page;
}
// The guards about a region are wider than displacements are long.
bool needs_only_base(const LinearForm& f) {
  return f.base != LinearForm::kAbsent && f.index == LinearForm::kAbsent && f.segment == LinearForm::kAbsent;
}

}  // namespace

LinearForm Translator::linear_form(const Insn& insn) const {
  LinearForm f{number_of(insn.base), number_of(insn.index), insn.scale_log2, LinearForm::kAbsent, insn.disp};
  f.from_page = is_placed(insn);
  if (f.from_page) f.disp = operand_from_page(insn);
  else if (insn.base == isa::kRipOffset) f.disp += static_cast<i64>(t_->rip);
  if (is_based(insn)) f.segment = insn.segment;
  return f;
}

// Can the operand be formed with T0 alone, so that T1 may stay the budget?
bool Translator::needs_t1(const Insn& insn) const {
  if (!budget_in_t1_ || !is_hosted() || is_based(insn)) return true;
  const auto uses = [&](u8 reg) {
    return names_gpr(insn, reg) || number_of(insn.base) == reg || number_of(insn.index) == reg;
  };
  if (uses(kT0) || uses(kT1)) return true;
  if (is_constant(insn)) return is_placed(insn) || !fits(constant_of(insn));
  return !wide_ && live_[current_] != 0;
}

// T1, or none where the instruction does without.
u8 Translator::second_temporary(const Insn& insn) {
  if (!needs_t1(insn)) return kNone;
  free_t1();
  return kT1;
}

// The operand, where t0 has its region's addend, by no other register.
Mem Translator::operand_by_one(const Insn& insn, u8 t0) {
  const u8 base = number_of(insn.base), index = number_of(insn.index);
  const i32 disp = static_cast<i32>(insn.disp);
  if (!wide_) {
    a_.lea(t0, Mem{base, index, insn.scale_log2, disp, false}, false);
    a_.alu(Alu::Add, t0, addend(share().group));
    t0_addend_ = kNoGroup;
    return at(t0);
  }
  if (index == kNone) return {base, t0, 0, disp, false};
  a_.lea(t0, base == kNone ? at(t0, disp) : Mem{base, t0, 0, disp, false});
  t0_addend_ = kNoGroup;
  return {t0, index, insn.scale_log2, 0, false};
}

// --- In the GS segment: operands as they are --------------------------------------------------------------

// What a follower has to do about flags.
void Translator::prepare_flags(u8 temp) {
  if (!wants_host_flags(current_) || flags_at_ != FlagsAt::Slot) return;
  if (temp == kT0) held_ = kNoGroup;
  flags_into_host(temp);
}

// A temporary, where the instruction needs one: T0, if it is no operand.
u8 Translator::pick_for_gs(const Insn& insn) {
  if (!names_gpr(insn, kT0)) return kT0;
  if (!names_gpr(insn, kT1)) {
    free_t1();
    return kT1;
  }
  u8 t0 = kNone, t1 = kNone;
  pick_scratch(insn, t0, t1);
  return t0;
}

// The operand as it is, but for what names registers that are in the state.
Mem Translator::gs_operand(const Insn& insn, u8 temp) {
  if (is_placed(insn)) {
    a_.load(temp, page());
    return {temp, kNone, 0, operand_from_page(insn), true};
  }
  if (is_constant(insn) && !is_based(insn)) {
    const u64 address = constant_of(insn);
    if (fits(address)) return {kNone, kNone, 0, static_cast<i32>(address), true};
    a_.mov_imm(temp, address);
    return {temp, kNone, 0, 0, true};
  }
  u8 base = number_of(insn.base), index = number_of(insn.index);
  i32 disp = static_cast<i32>(insn.disp);
  for (u8* reg : {&base, &index}) {
    if ((*reg != kT0 && *reg != kT1) || names_gpr(insn, *reg)) continue;
    a_.load(temp, gpr(*reg));
    *reg = temp;
  }
  if (is_based(insn)) {
    const u64 constant = insn.base == isa::kRipOffset ? t_->rip : 0;
    a_.load(temp, field(&context_.state.segments[insn.segment].base));
    a_.lea(temp, base == kNone ? at(temp, static_cast<i32>(disp + static_cast<i64>(constant)))
                               : Mem{base, temp, 0, disp, false});
    base = temp;
    disp = 0;
  }
  return {base, index, insn.scale_log2, disp, true};
}

void Translator::gs_memory(const Insn& insn, const Encoded& d) {
  const auto use_of = [&](u8 reg) { return names_gpr(insn, reg) ? d.use_of(reg) : RegisterUse{}; };
  const RegisterUse use0 = use_of(kT0), use1 = use_of(kT1);
  load_operands(use0, use1);
  const u8 temp = pick_for_gs(insn);
  if (follows()) prepare_flags(temp);
  else check_region(&insn, linear_form(insn), temp);
  rewrite(a_, d, gs_operand(insn, temp));
  store_operands(use0, use1);
  for (unsigned n = 0; n < 2; ++n)
    if (borrowed_[n] != kNone) a_.load(borrowed_[n], spill(n));
}

// --- Compares ---------------------------------------------------------------------------------------------

// Compares the region of the address in temp, which is lost.
void Translator::compare_region(u8 group, u8 temp) {
  a_.shr(temp, interp::TierFrame::kRegionShift, true);
  a_.alu(Alu::Cmp, temp, region_key(group));
}

void Translator::compare_constant_region(u8 group, const LinearForm& f) {
  const u64 key = static_cast<u64>(f.disp) >> interp::TierFrame::kRegionShift;
  a_.alu_imm(Alu::Cmp, region_key(group), static_cast<i32>(key));
}

// Goes on in the twin where the address is not in the region of the group.
void Translator::split_unless_equal(u8 group, const LinearForm& f, u16 access) {
  SlowPath path{a_.jump(Cc::Nz), static_cast<u16>(current_), {borrowed_[0], borrowed_[1]}, true};
  path.access = access;
  path.region = group - kHostedGroup;
  path.address = f;
  add_slow_path(path);
}

// At the head, where flags are dead or in the slot, and no guest register is in T0 or T1.
void Translator::hoisted_region_check(const HoistedCheck& h) {
  const LinearForm& f = h.address;
  if (is_constant_form(f)) {
    compare_constant_region(h.group, f);
  } else {
    if (f.from_page) a_.load(kT0, page());
    else if (!needs_only_base(f))
      a_.lea(kT0, Mem{f.base, f.index, f.scale_log2, static_cast<i32>(f.disp), false});
    else if (f.base == kT0 || f.base == kT1) a_.load(kT0, gpr(f.base));
    else a_.mov(kT0, f.base);
    compare_region(h.group, kT0);
  }
  split_unless_equal(h.group, f, h.access);
}

// temp = the address of the operand.
void Translator::address_for_region(const Insn* insn, const LinearForm& f, u8 temp) {
  const auto is_temporary = [](u8 reg) { return reg == kT0 || reg == kT1; };
  if (f.from_page) return a_.load(temp, page());
  if (needs_only_base(f)) {
    if (is_temporary(f.base) && !(insn && names_gpr(*insn, f.base))) a_.load(temp, gpr(f.base));
    else a_.mov(temp, f.base);
    return;
  }
  for (const u8 reg : {f.base, f.index}) {
    if (!is_temporary(reg) || names_gpr(*insn, reg)) continue;
    if (reg == kT1) free_t1();
    load_guest(reg);
    if (reg == kT0) held_ = kNoGroup;
  }
  address_into(*insn, temp);
}

// Checks that the operand is in its region. insn: null where the address is that of a register alone, or a
// constant. Flags are as before where they matter.
void Translator::check_region(const Insn* insn, const LinearForm& f, u8 temp) {
  const u8 group = share().group;
  if (temp == kT0) held_ = kNoGroup;
  flags_into_slot(temp);
  if (is_constant_form(f)) {
    compare_constant_region(group, f);
  } else {
    address_for_region(insn, f, temp);
    compare_region(group, temp);
  }
  split_unless_equal(group, f, static_cast<u16>(current_ + (second_ ? t_->block->count : 0)));
  flags_lost();
  if (wants_host_flags(current_)) flags_into_host(temp);
}

// t0 = the addend of the operand's region, after a check. t1 may be none.
void Translator::find_region(const Insn* insn, const LinearForm& f, u8 t0, u8 t1) {
  const u8 group = share().group;
  check_region(insn, f, t1 == kNone ? t0 : t1);
  if (t0 != kT0 || held_ != group) a_.load(t0, addend(group));
  if (t0 == kT0) t0_addend_ = group;
}

// t0 and t1 as a host operand for a constant address.
Mem Translator::hosted_constant(u64 address, u8 t0, u8 t1) {
  if (follows()) load_shared_addend(t0);
  else find_region(nullptr, {.disp = static_cast<i64>(address)}, t0, t1);
  if (fits(address)) return at(t0, static_cast<i32>(address));
  a_.mov_imm(t1, address);
  return {t1, t0, 0, 0, false};
}

}  // namespace tandem::jit
