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
  return f.base == LinearForm::kAbsent && f.index == LinearForm::kAbsent && f.segment == LinearForm::kAbsent;
}
// The guards about a region are wider than displacements are long.
bool needs_only_base(const LinearForm& f) {
  return f.base != LinearForm::kAbsent && f.index == LinearForm::kAbsent && f.segment == LinearForm::kAbsent;
}

}  // namespace

LinearForm Translator::linear_form(const Insn& insn) const {
  LinearForm f{number_of(insn.base), number_of(insn.index), insn.scale_log2, LinearForm::kAbsent, insn.disp};
  if (insn.base == isa::kRipOffset) f.disp += static_cast<i64>(t_->rip);
  if (is_based(insn)) f.segment = insn.segment;
  return f;
}

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
  slow_.push_back(path);
}

// At the head, where flags are dead or in the slot, and no guest register is in T0 or T1.
void Translator::hoisted_region_check(const HoistedCheck& h) {
  const LinearForm& f = h.address;
  if (is_constant_form(f)) {
    compare_constant_region(h.group, f);
  } else {
    if (!needs_only_base(f)) a_.lea(kT0, Mem{f.base, f.index, f.scale_log2, static_cast<i32>(f.disp), false});
    else if (f.base == kT0 || f.base == kT1) a_.load(kT0, gpr(f.base));
    else a_.mov(kT0, f.base);
    compare_region(h.group, kT0);
  }
  split_unless_equal(h.group, f, h.access);
}

// t1 = the address of the operand.
void Translator::address_for_region(const Insn* insn, const LinearForm& f, u8 t1) {
  const auto is_temporary = [](u8 reg) { return reg == kT0 || reg == kT1; };
  if (needs_only_base(f)) {
    if (is_temporary(f.base) && !(insn && names_gpr(*insn, f.base))) a_.load(t1, gpr(f.base));
    else a_.mov(t1, f.base);
    return;
  }
  for (const u8 reg : {f.base, f.index}) {
    if (!is_temporary(reg) || names_gpr(*insn, reg)) continue;
    load_guest(reg);
    if (reg == kT0) held_ = kNoGroup;
  }
  address_into(*insn, t1);
}

// t0 = the addend of the operand's region, after a check that it is in there. insn: null where the address is
// that of a register alone, or a constant. Flags are as before where they matter.
void Translator::find_region(const Insn* insn, const LinearForm& f, u8 t0, u8 t1) {
  const u8 group = shared_.of[current_].group;
  flags_into_slot(t1);
  if (is_constant_form(f)) {
    compare_constant_region(group, f);
  } else {
    address_for_region(insn, f, t1);
    compare_region(group, t1);
  }
  split_unless_equal(group, f, static_cast<u16>(current_));
  flags_lost();
  if (wants_host_flags(current_)) flags_into_host(t1);
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
