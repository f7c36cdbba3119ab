// Memory operands: the soft TLB's check, inline, and the instruction behind it.
#include "core/isa/op.h"
#include "jit/base/register_use.h"
#include "jit/base/rewrite.h"
#include "jit/base/translator.h"

namespace tandem::jit {

using isa::Insn;
using isa::Op;
using isa::OperandKind;

namespace {

bool addresses_by(const Insn& insn, u8 reg) {
  return insn.base == isa::gpr_offset(reg) || insn.index == isa::gpr_offset(reg);
}
bool fits(u64 v) { return static_cast<u64>(static_cast<i64>(static_cast<i32>(v))) == v; }
// What are REX prefixes in 64-bit code.
bool is_short_inc_or_dec(const Encoding& insn) {
  return insn.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && insn.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
         (insn.opcode & 0xf0) == 0x40;
}
void inc_or_dec(Assembler& a, const Encoding& insn, u8 size) {
  if (size == 2) a.byte(0x66);
  a.bytes({0xff, static_cast<u8>(0xc0 | (insn.opcode & 15))});
}
u8 register_of(u8 offset) {
  return offset == isa::kZeroOffset || offset == isa::kRipOffset ? kNone : offset / 8;
}

}  // namespace

void Translator::load_guest(u8 reg) { a_.load(reg, gpr(reg)); }
void Translator::store_guest(u8 reg) { a_.store(gpr(reg), reg); }

void Translator::save_flags(u8 temp) {
  a_.mov(temp, kAx);
  a_.flags_to_ax();
  a_.store(flags_slot(), kAx);
  a_.mov(kAx, temp);
}
void Translator::restore_flags(u8 temp) {
  a_.mov(temp, kAx);
  a_.load(kAx, flags_slot());
  a_.flags_from_ax();
  a_.mov(kAx, temp);
}

// Before code that changes the host's flags: a copy of the guest's, if they are live. The second time it is
// there already.
void Translator::flags_into_slot(u8 temp) {
  const bool live = current_ >= live_.size() || live_[current_] || options_.exact_flags;
  if (!live || flags_at_ != FlagsAt::Host) return;
  save_flags(temp);
  flags_at_ = FlagsAt::Both;
}

void Translator::flags_into_host(u8 temp) {
  if (flags_at_ != FlagsAt::Slot) return;
  restore_flags(temp);
  flags_at_ = FlagsAt::Both;
}

// Behind such code.
void Translator::flags_lost() {
  if (flags_at_ == FlagsAt::Both) flags_at_ = FlagsAt::Slot;
}

i32 Translator::tlb_address(bool write, bool addend) const {
  const mmu::TlbBank& bank = context_.tlb.banks[static_cast<unsigned>(context_.privilege)];
  const mmu::TlbEntry& e = write ? bank.write[0] : bank.read[0];
  return address_of(addend ? &e.addend : &e.tag);
}

void Translator::slow_if(Cc cc) {
  add_slow_path({a_.jump(cc), static_cast<u16>(current_), {borrowed_[0], borrowed_[1]}, share().first});
}

// t1 = offset of the TLB entry for the address in `from`.
void Translator::entry_of(u8 t1, u8 from) {
  if (bmi2_) {
    a_.rorx(t1, from, kPageShift - 4);
  } else {
    a_.mov(t1, from, false);
    a_.shr(t1, kPageShift - 4, false);
  }
  a_.alu_imm(Alu::And, t1, (mmu::kTlbEntries - 1) << 4, false);
}

// t0: page of the access's last byte; t1: offset of the TLB entry of its first.
void Translator::compare(u8 t0, u8 t1, bool write) {
  a_.alu_imm(Alu::And, t0, -static_cast<i32>(kPageSize));
  a_.alu(Alu::Cmp, t0, at(t1, tlb_address(write, false)));
  slow_if(Cc::Nz);
}

// Checks an access of `size` bytes at the address in t0, which is lost; t1: becomes the offset of the TLB
// entry.
void Translator::check(u8 t0, u8 t1, bool write, unsigned size) {
  entry_of(t1, t0);
  if (size > 1) a_.lea(t0, at(t0, static_cast<i32>(size - 1)));
  compare(t0, t1, write);
}

// The same at base + disp, where base is neither t0 nor t1: two short chains instead of a long one.
void Translator::check_at(u8 base, i32 disp, u8 t0, u8 t1, bool write, unsigned size) {
  if (disp) a_.lea(t1, at(base, disp));
  entry_of(t1, disp ? t1 : base);
  a_.lea(t0, at(base, disp + static_cast<i32>(size - 1)));
  compare(t0, t1, write);
}

// t0 = the addend that an earlier instruction's check found; the flags where the instruction wants them.
void Translator::load_shared_addend(u8 t0) {
  const u8 group = share().group;
  if (wants_host_flags(current_)) {
    if (flags_at_ == FlagsAt::Slot && t0 == kT0) held_ = kNoGroup;
    flags_into_host(t0);
  }
  if (t0 != kT0 || held_ != group) a_.load(t0, addend(group));
  if (t0 == kT0) t0_addend_ = group;
}

// The addend in t0 is for others, too.
void Translator::keep_addend(u8 t0) {
  const u8 group = share().group;
  if (group == kNoGroup) return;
  a_.store(addend(group), t0);
  if (t0 == kT0) t0_addend_ = group;
}

// Where flags are dead, or in the slot.
void Translator::hoisted_checks() {
  if (!shared_.hoisted.empty()) flags_into_slot(kT0);
  for (const HoistedCheck& h : shared_.hoisted) {
    if (h.group >= kHostedGroup) hoisted_region_check(h);
    else hoisted_check(h);
  }
  if (!shared_.hoisted.empty()) flags_lost();
}

void Translator::hoisted_check(const HoistedCheck& h) {
  free_t1();
  a_.lea(kT0,
         Mem{h.address.base, h.address.index, h.address.scale_log2, static_cast<i32>(h.address.disp), false});
  entry_of(kT1, kT0);
  if (h.size > 1) a_.lea(kT0, at(kT0, static_cast<i32>(h.size - 1)));
  a_.alu_imm(Alu::And, kT0, -static_cast<i32>(kPageSize));
  a_.alu(Alu::Cmp, kT0, at(kT1, tlb_address(h.write, false)));
  add_slow_path({a_.jump(Cc::Nz), static_cast<u16>(current_), {kNone, kNone}, true});
  a_.load(kT0, at(kT1, tlb_address(h.write, true)));
  a_.store(addend(h.group), kT0);
  t0_addend_ = h.group;
}

// Two registers that the instruction does not need; T0 and T1 where it doesn't name them as operands.
void Translator::pick_scratch(const Insn& insn, u8& t0, u8& t1) {
  u8* const to[] = {&t0, &t1};
  unsigned have = 0;
  for (const u8 reg : {kT0, kT1})
    if (!names_gpr(insn, reg)) *to[have++] = reg;
  unsigned spilled = 0;
  for (const u8 reg : {k12, k14, k11, k10, k9, k8, kBp, kSi, kDi}) {
    if (have == 2) break;
    if (names_gpr(insn, reg) || addresses_by(insn, reg)) continue;
    a_.store(spill(spilled), reg);
    borrowed_[spilled++] = reg;
    *to[have++] = reg;
  }
  if (spilled) t_->borrowed.push_back({static_cast<u16>(current_), {borrowed_[0], borrowed_[1]}});
}

// --- Guest registers in T0 and T1 -------------------------------------------------------------------------

// Where the next instructions may be copied, too, they find the value in the host's register.
void Translator::hold(u8 reg, Held how) {
  if (!options_.merge) {
    if (how == Held::Dirty) store_guest(reg);
    return;
  }
  held_value(reg) = how;
}

void Translator::write_back() {
  for (const u8 reg : {kT0, kT1})
    if (held_value(reg) == Held::Dirty) {
      store_guest(reg);
      held_value(reg) = Held::Clean;
    }
}

void Translator::release_temporaries() {
  write_back();
  held_value(kT0) = held_value(kT1) = Held::No;
}

void Translator::load_operands(const RegisterUse& t0, const RegisterUse& t1) {
  if (t1.reads || t1.writes) free_t1();
  const auto load = [&](u8 reg, const RegisterUse& use) {
    if (!use.reads || held_value(reg) != Held::No) return;
    load_guest(reg);
    hold(reg, Held::Clean);
  };
  load(kT0, t0);
  load(kT1, t1);
}

void Translator::store_operands(const RegisterUse& t0, const RegisterUse& t1) {
  if (t0.writes) hold(kT0, Held::Dirty);
  if (t1.writes) hold(kT1, Held::Dirty);
}

// An instruction that has no memory operand runs as it is.
void Translator::copy(const Encoded& d) {
  const RegisterUse t0 = d.use_of(kT0), t1 = d.use_of(kT1);
  load_operands(t0, t1);
  if (!wide_ && is_short_inc_or_dec(d.insn)) inc_or_dec(a_, d.insn, t_->block->insns[current_].size);
  else copy_as_is(a_, d);
  store_operands(t0, t1);
  if (held_value(kT0) == Held::No && !t0.reads && !t0.writes) t0_addend_ = held_;
}

void Translator::lea(const Insn& insn, const Encoded& d) {
  if (!is_constant(insn) || (wide_ && insn.base != isa::kRipOffset)) return copy(d);
  const u64 address = constant_of(insn);
  const u8 reg = insn.reg[0] / 8;
  if (reg == kT1) free_t1();
  if (is_placed(insn)) code_address(reg, address, insn.size == 8);
  else a_.mov_imm(reg, insn.size == 4 ? static_cast<u32>(address) : address);
  if (reg == kT0 || reg == kT1) hold(reg, Held::Dirty);
  if (held_value(kT0) == Held::No && reg != kT0) t0_addend_ = held_;
}

void Translator::memory_at_constant(const Encoded& d, u64 address, u8 t0, u8 t1) {
  const bool write = d.memory->writes;
  const i32 entry = static_cast<i32>(mmu::tlb_index(address) * sizeof(mmu::TlbEntry));
  const u64 page = address & ~kPageMask;
  flags_into_slot(t0);
  if (fits(page)) {
    a_.alu_imm(Alu::Cmp, at_address(tlb_address(write, false) + entry), static_cast<i32>(page));
  } else {
    a_.mov_imm(t1, page);
    a_.alu(Alu::Cmp, t1, at_address(tlb_address(write, false) + entry));
  }
  slow_if(Cc::Nz);
  flags_lost();
  if (wants_host_flags(current_)) flags_into_host(t0);
  a_.load(t0, at_address(tlb_address(write, true) + entry));
  Mem operand = at(t0, static_cast<i32>(address));
  if (!fits(address)) {
    a_.mov_imm(t1, address);
    operand = {t1, t0, 0, 0, false};
  }
  rewrite(a_, d, operand);
}

// The address by base, index and displacement in t, with the segment's base where there is one.
void Translator::address_into(const Insn& insn, u8 t) {
  if (is_placed(insn)) {
    a_.load(t, page());
    return a_.lea(t, at(t, operand_from_page(insn)), wide_);
  }
  const u8 base = register_of(insn.base), index = register_of(insn.index);
  const u64 constant = static_cast<u64>(insn.disp) + (insn.base == isa::kRipOffset ? t_->rip : 0);
  const Mem m{base, index, insn.scale_log2, static_cast<i32>(constant), false};
  if (!is_based(insn)) return a_.lea(t, m, wide_);
  const Mem segment_base = field(&context_.state.segments[insn.segment].base);
  if (index == kNone && base != t) {
    a_.load(t, segment_base);
    a_.lea(t, base == kNone ? at(t, m.disp) : Mem{base, t, 0, m.disp, false}, wide_);
    return;
  }
  a_.lea(t, m, wide_);  // base may be T0 or T1, loaded for this
  a_.alu(Alu::Add, t, segment_base);
  if (!wide_) a_.mov(t, t, false);
}

// t0 = the addend of the operand's page, after a check of all that is to be accessed there. Flags are as
// before where they matter.
void Translator::find_addend(const Insn& insn, bool write, unsigned size, u8 t0, u8 t1) {
  if (is_hosted()) return find_region(&insn, linear_form(insn), t0, t1);
  const u8 base = register_of(insn.base);
  const SharedCheck& shared = share();
  const i32 low = shared.first ? shared.low : 0;
  if (shared.first) size = shared.size;
  flags_into_slot(t0);
  for (const u8 reg : {kT0, kT1})
    if (addresses_by(insn, reg) && !names_gpr(insn, reg)) load_guest(reg);
  if (is_direct(insn) && base != t0 && base != t1 && insn.disp < i64{1} << 30) {
    check_at(base, static_cast<i32>(insn.disp) + low, t0, t1, write, size);
  } else {
    address_into(insn, t0);
    if (low) a_.lea(t0, at(t0, low));
    check(t0, t1, write, size);
  }
  flags_lost();
  if (wants_host_flags(current_)) flags_into_host(t0);
  a_.load(t0, at(t1, tlb_address(write, true)));
  keep_addend(t0);
}

// Checks the operand and gives it as a host operand in t0 and t1.
Mem Translator::host_operand(const Insn& insn, bool write, unsigned size, u8 t0, u8 t1) {
  const u8 base = register_of(insn.base), index = register_of(insn.index);
  if (follows()) load_shared_addend(t0);
  else find_addend(insn, write, size, t0, t1);
  const auto is_lost = [&](u8 reg) { return (reg == kT0 || reg == kT1) && !names_gpr(insn, reg); };
  const bool base_lost = is_lost(base), index_lost = is_lost(index);
  if (t1 == kNone) return operand_by_one(insn, t0);
  if (is_placed(insn)) {
    a_.load(t1, page());
    return {t1, t0, 0, operand_from_page(insn), false};
  }
  if (!wide_ && (follows() || !is_direct(insn))) return linear_operand(insn, base, index, t0, t1);
  const i32 disp =
      static_cast<i32>(static_cast<u64>(insn.disp) + (insn.base == isa::kRipOffset ? t_->rip : 0));
  if (is_based(insn)) {
    a_.load(t1, field(&context_.state.segments[insn.segment].base));
    a_.lea(t0, Mem{t0, t1, 0, 0, false});
    if (t0 == kT0) t0_addend_ = kNoGroup;
  }
  if (base_lost) a_.load(t1, gpr(base));
  if (index_lost) a_.load(t1, gpr(index));
  const u8 b = base_lost ? t1 : base, i = index_lost ? t1 : index;
  if (i == kNone) return b == kNone ? at(t0, disp) : Mem{b, t0, 0, disp, false};
  a_.lea(t1, Mem{b, i, insn.scale_log2, disp, false});
  return {t1, t0, 0, 0, false};
}

// In 32-bit code: the address formed anew, because 32 bits may have wrapped. T0 and T1 are no guest registers
// there.
Mem Translator::linear_operand(const Insn& insn, u8 base, u8 index, u8 t0, u8 t1) {
  const i32 disp = static_cast<i32>(insn.disp);
  if (!is_based(insn)) {
    a_.lea(t1, Mem{base, index, insn.scale_log2, disp, false}, false);
    return {t1, t0, 0, 0, false};
  }
  a_.load(t1, field(&context_.state.segments[insn.segment].base));
  a_.lea(t1, base == kNone ? at(t1, disp) : Mem{base, t1, 0, disp, false}, false);
  if (index != kNone) a_.lea(t1, Mem{t1, index, insn.scale_log2, 0, false}, false);
  return {t1, t0, 0, 0, false};
}

void Translator::memory(const Insn& insn, const Encoded& d) {
  if (is_in_gs()) return gs_memory(insn, d);
  u8 t0 = kT0, t1 = kNone;
  if (needs_t1(insn)) {
    free_t1();
    pick_scratch(insn, t0, t1);
  }
  const auto use_of = [&](u8 reg) { return names_gpr(insn, reg) ? d.use_of(reg) : RegisterUse{}; };
  const RegisterUse use0 = use_of(kT0), use1 = use_of(kT1);
  load_operands(use0, use1);
  if (is_constant(insn) && !is_based(insn) && !is_placed(insn)) {
    if (is_hosted()) rewrite(a_, d, hosted_constant(constant_of(insn), t0, t1));
    else memory_at_constant(d, constant_of(insn), t0, t1);
  } else {
    const bool write = d.memory->writes;
    rewrite(a_, d, host_operand(insn, write, d.memory->bytes, t0, t1));
  }
  store_operands(use0, use1);
  for (unsigned n = 0; n < 2; ++n)
    if (borrowed_[n] != kNone) a_.load(borrowed_[n], spill(n));
}

// T0 = the operand of a stack's or branch's size, a register or memory.
void Translator::read_to_t0(const Insn& insn, const Encoded& d) {
  held_ = kNoGroup;
  // The stack's access behind it may need T1, and a signal at this one looks for the budget where it is then.
  const bool second_needs_t1 = forms_[current_] != Form::JumpIndirect && !shared_.second[current_].in_gs();
  if (d.memory && second_needs_t1) free_t1();
  if (d.memory && is_in_gs()) {
    if (follows()) prepare_flags(kT0);
    else check_region(&insn, linear_form(insn), kT0);
    return a_.load(kT0, gs_operand(insn, kT0), wide_);
  }
  if (!d.memory) {
    const u8 reg = insn.reg[0] / 8;
    if (reg == kT0 || reg == kT1) a_.load(kT0, gpr(reg));
    else a_.mov(kT0, reg, wide_);
    return;
  }
  const u8 t1 = second_temporary(insn);
  if (!is_constant(insn) || is_based(insn) || is_placed(insn))
    return a_.load(kT0, host_operand(insn, false, word_, kT0, t1), wide_);
  const u64 address = constant_of(insn);
  if (is_hosted()) return a_.load(kT0, hosted_constant(address, kT0, t1), wide_);
  a_.mov_imm(kT0, address);
  flags_into_slot(kT1);
  check(kT0, kT1, false, word_);
  flags_lost();
  if (wants_host_flags(current_)) flags_into_host(kT0);
  a_.load(kT1, at(kT1, tlb_address(false, true)));
  a_.mov_imm(kT0, address);
  a_.load(kT0, Mem{kT0, kT1, 0, 0, false}, wide_);
}

// --- The stack --------------------------------------------------------------------------------------------

// T0 = what is to be added to base + disp, a word on the stack, for the host's address.
void Translator::stack_check(u8 base, i32 disp, bool write) {
  if (is_in_gs()) return follows() ? prepare_flags(kT0) : check_region(nullptr, {.base = base}, kT0);
  if (follows()) return load_shared_addend(kT0);
  if (is_hosted()) return find_region(nullptr, {.base = base}, kT0, budget_in_t1_ ? kNone : kT1);
  free_t1();
  const SharedCheck& shared = share();
  flags_into_slot(kT0);
  if (shared.first) check_at(base, disp + shared.low, kT0, kT1, write, shared.size);
  else check_at(base, disp, kT0, kT1, write, word_);
  flags_lost();
  if (wants_host_flags(current_)) flags_into_host(kT0);
  a_.load(kT0, at(kT1, tlb_address(write, true)));
  keep_addend(kT0);
}

// The word there, by T0 and, in 32-bit code, T1.
Mem Translator::stack_operand(u8 base, i32 disp) {
  if (is_in_gs()) return {base, kNone, 0, disp, true};
  if (wide_) return {base, kT0, 0, disp, false};
  free_t1();
  a_.lea(kT1, at(base, disp), false);
  return {kT1, kT0, 0, 0, false};
}

void Translator::push(const Insn& insn, const Encoded& d) {
  if (d.memory) {
    read_to_t0(insn, d);
    a_.store(spill(0), kT0);
    second_ = true;
  }
  if (insn.kind[0] != OperandKind::Imm) return push_word(d.memory ? kNone : insn.reg[0] / 8);
  stack_check(kSp, -word_, true);
  a_.store_imm(stack_operand(kSp, -word_), static_cast<i32>(insn.imm), wide_);
  a_.lea(kSp, at(kSp, -word_), wide_);
}

// reg: none where it is in spill(0).
void Translator::push_word(u8 reg) {
  stack_check(kSp, -word_, true);
  const Mem top = stack_operand(kSp, -word_);
  const bool in_state = reg == kNone || reg == kT0 || reg == kT1;
  if (is_in_gs() && in_state) {
    a_.load(kT0, reg == kNone ? spill(0) : gpr(reg));
    a_.store(top, kT0, wide_);
  } else if (in_state) {
    free_t1();
    a_.lea(kT1, top);
    a_.load(kT0, reg == kNone ? spill(0) : gpr(reg));
    a_.store(at(kT1), kT0, wide_);
    t0_addend_ = kNoGroup;
  } else {
    a_.store(top, reg, wide_);
  }
  a_.lea(kSp, at(kSp, -word_), wide_);
}

// spill(0) = RFLAGS of the state, whose arithmetic flags are out of date, with those of the slot.
void Translator::spill_flags() {
  held_ = kNoGroup;
  flags_into_slot(kT0);
  free_t1();
  a_.load(kT0, flags_slot(), false);
  a_.mov(kT1, kT0, false);
  a_.shr(kT1, 8, false);
  a_.alu_imm(Alu::And, kT1, static_cast<i32>(kAllFlags & 0xff), false);
  a_.alu_imm(Alu::And, kT0, 1, false);
  a_.shl(kT0, 11);
  a_.alu(Alu::Or, kT1, kT0);
  a_.load(kT0, field(&context_.state.rflags));
  a_.alu_imm(Alu::And, kT0, ~static_cast<i32>(kAllFlags | cpu::kVm | cpu::kRf));
  a_.alu(Alu::Or, kT0, kT1);
  flags_lost();
  a_.store(spill(0), kT0);
}

void Translator::push_flags() {
  spill_flags();
  push_word(kNone);
}

void Translator::pop(const Insn& insn) {
  stack_check(kSp, 0, false);
  const Mem top = stack_operand(kSp, 0);
  const u8 reg = insn.reg[0] / 8;
  const bool through_t0 = reg == kT0 || reg == kT1 || reg == kSp;
  if (through_t0) t0_addend_ = kNoGroup;
  a_.load(through_t0 ? kT0 : reg, top, wide_);
  if (reg == kSp) return a_.mov(kSp, kT0);
  a_.lea(kSp, at(kSp, word_), wide_);
  if (reg == kT0 || reg == kT1) a_.store(gpr(reg), kT0);
}

void Translator::leave() {
  stack_check(kBp, 0, false);
  t0_addend_ = kNoGroup;
  a_.load(kT0, stack_operand(kBp, 0), wide_);
  a_.lea(kSp, at(kBp, word_), wide_);
  a_.mov(kBp, kT0);
}

// value: an address relative to the code's.
void Translator::push_constant(u64 value) {
  stack_check(kSp, -word_, true);
  const Mem top = stack_operand(kSp, -word_);
  if (t_->moves && !is_in_gs()) {
    free_t1();
    a_.lea(kT1, top);
    code_address(kT0, value, wide_);
    a_.store(at(kT1), kT0, wide_);
    t0_addend_ = kNoGroup;
  } else if (t_->moves) {
    code_address(kT0, value, wide_);
    a_.store(top, kT0, wide_);
  } else if (!wide_ || fits(value)) {
    a_.store_imm(top, static_cast<i32>(value), wide_);
  } else {
    const u8 temp = is_in_gs() ? kT0 : kT1;
    if (temp == kT1) free_t1();
    a_.mov_imm(temp, value);
    a_.store(top, temp);
  }
  a_.lea(kSp, at(kSp, -word_), wide_);
}

void Translator::call(const Insn& insn) {
  push_constant(next_of(insn));
  exit_to(target_of(insn));
}

void Translator::call_indirect(const Insn& insn, const Encoded& d) {
  flags_into_slot(kT0);
  read_to_t0(insn, d);
  a_.store(spill(0), kT0);
  second_ = d.memory.has_value();
  push_constant(next_of(insn));
  a_.load(kT0, spill(0));
  indirect_exit();
}

void Translator::jump_indirect(const Insn& insn, const Encoded& d) {
  flags_into_slot(kT0);
  read_to_t0(insn, d);
  indirect_exit();
}

void Translator::ret(const Insn& insn) {
  if (flags_at_ == FlagsAt::Host) held_ = kNoGroup;
  flags_into_slot(kT0);
  stack_check(kSp, 0, false);
  a_.load(kT0, stack_operand(kSp, 0), wide_);
  const u64 more = insn.kind[0] == OperandKind::Imm ? insn.imm & 0xffff : 0;
  a_.lea(kSp, at(kSp, static_cast<i32>(word_ + more)), wide_);
  indirect_exit();
}

}  // namespace tandem::jit
