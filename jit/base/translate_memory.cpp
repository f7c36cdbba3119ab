// Memory operands: the soft TLB's check, inline, and the instruction behind it.
#include "core/isa/op.h"
#include "jit/base/rewrite.h"
#include "jit/base/translator.h"

namespace tandem::jit {

using isa::Insn;
using isa::Op;
using isa::OperandKind;

namespace {

bool names_gpr(const Insn& insn, u8 reg) {
  for (unsigned n = 0; n < 3; ++n)
    if (insn.kind[n] == OperandKind::Gpr && insn.reg[n] / 8 == reg) return true;
  return false;
}
bool addresses_by(const Insn& insn, u8 reg) {
  return insn.base == isa::gpr_offset(reg) || insn.index == isa::gpr_offset(reg);
}
bool fits(u64 v) { return static_cast<u64>(static_cast<i64>(static_cast<i32>(v))) == v; }
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

i32 Translator::tlb_offset(bool write, bool addend) const {
  const mmu::TlbBank& bank = context_.tlb.banks[static_cast<unsigned>(context_.privilege)];
  const mmu::TlbEntry& e = write ? bank.write[0] : bank.read[0];
  return offset(addend ? &e.addend : &e.tag);
}

void Translator::slow_if(Cc cc) {
  slow_.push_back(
      {a_.jump(cc), static_cast<u16>(current_), {borrowed_[0], borrowed_[1]}, shared_[current_].first});
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
  a_.alu(Alu::Cmp, t0, gs(t1, tlb_offset(write, false)));
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
  const u8 group = shared_[current_].group;
  if (wants_host_flags(current_)) {
    if (flags_at_ == FlagsAt::Slot && t0 == k10) held_ = kNoGroup;
    flags_into_host(t0);
  }
  if (t0 != k10 || held_ != group) a_.load(t0, addend(group));
  if (t0 == k10) r10_addend_ = group;
}

// The addend in t0 is for others, too.
void Translator::keep_addend(u8 t0) {
  const u8 group = shared_[current_].group;
  if (group == kNoGroup) return;
  a_.store(addend(group), t0);
  if (t0 == k10) r10_addend_ = group;
}

// Behind an instruction that was copied.
void Translator::keep_r10_over(const Insn& insn) {
  if (!names_gpr(insn, k10) && !names_gpr(insn, k11) && !addresses_by(insn, k10)) r10_addend_ = held_;
}

// Two registers that the instruction does not need; R10 and R11 where it doesn't name them as operands.
void Translator::pick_scratch(const Insn& insn, u8& t0, u8& t1) {
  u8* const to[] = {&t0, &t1};
  unsigned have = 0;
  for (const u8 reg : {k10, k11})
    if (!names_gpr(insn, reg)) *to[have++] = reg;
  unsigned spilled = 0;
  for (const u8 reg : {k12, k13, k14, k15, k8, k9, kBp, kSi, kDi}) {
    if (have == 2) break;
    if (names_gpr(insn, reg) || addresses_by(insn, reg)) continue;
    a_.store(spill(spilled), reg);
    borrowed_[spilled++] = reg;
    *to[have++] = reg;
  }
  if (spilled) t_->borrowed.push_back({static_cast<u16>(current_), {borrowed_[0], borrowed_[1]}});
}

void Translator::copy(const Insn& insn, const Decoded& d) {
  for (const u8 reg : {k10, k11})
    if (names_gpr(insn, reg)) load_guest(reg);
  a_.bytes(d.bytes);
  for (const u8 reg : {k10, k11})
    if (names_gpr(insn, reg)) store_guest(reg);
  keep_r10_over(insn);
}

void Translator::lea(const Insn& insn, const Decoded& d) {
  if (insn.base == isa::kRipOffset) {
    const u64 address = t_->rip + static_cast<u64>(insn.disp);
    const u8 reg = insn.reg[0] / 8;
    if (insn.size == 2) return execute();
    a_.mov_imm(reg, insn.size == 4 ? static_cast<u32>(address) : address);
    if (reg == k10 || reg == k11) store_guest(reg);
    return keep_r10_over(insn);
  }
  for (const u8 reg : {k10, k11})
    if (names_gpr(insn, reg) || addresses_by(insn, reg)) load_guest(reg);
  a_.bytes(d.bytes);
  for (const u8 reg : {k10, k11})
    if (names_gpr(insn, reg)) store_guest(reg);
  keep_r10_over(insn);
}

void Translator::memory_at_constant(const Decoded& d, u64 address, u8 t0, u8 t1) {
  const bool write = d.memory->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
  const i32 entry = static_cast<i32>(mmu::tlb_index(address) * sizeof(mmu::TlbEntry));
  const u64 page = address & ~kPageMask;
  flags_into_slot(t0);
  if (fits(page)) {
    a_.alu_imm(Alu::Cmp, gs(tlb_offset(write, false) + entry), static_cast<i32>(page));
  } else {
    a_.mov_imm(t1, page);
    a_.alu(Alu::Cmp, t1, gs(tlb_offset(write, false) + entry));
  }
  slow_if(Cc::Nz);
  flags_lost();
  if (wants_host_flags(current_)) flags_into_host(t0);
  a_.load(t0, gs(tlb_offset(write, true) + entry));
  Mem operand = at(t0, static_cast<i32>(address));
  if (!fits(address)) {
    a_.mov_imm(t1, address);
    operand = {t1, t0, 0, 0, false};
  }
  rewrite(a_, d.bytes, d.insn, operand);
}

// The address by base, index and displacement in t, with the segment's base where there is one.
void Translator::address_into(const Insn& insn, u8 t) {
  const u8 base = register_of(insn.base), index = register_of(insn.index);
  const bool segmented = insn.address_form == isa::AddressForm::Based64;
  const u64 constant = static_cast<u64>(insn.disp) + (insn.base == isa::kRipOffset ? t_->rip : 0);
  Mem m{base, index, insn.scale_log2, static_cast<i32>(constant), false};
  if (!segmented) return a_.lea(t, m);
  const Mem segment_base = gs(offset(&context_.state.segments[insn.segment].base));
  if (index == kNone) {
    if (base == t) {  // R10 or R11, loaded for this
      a_.lea(t, m);
      a_.alu(Alu::Add, t, segment_base);
      return;
    }
    a_.load(t, segment_base);
    a_.lea(t, base == kNone ? at(t, m.disp) : Mem{base, t, 0, m.disp, false});
    return;
  }
  a_.lea(t, m);
  a_.alu(Alu::Add, t, segment_base);
}

// t0 = the addend of the operand's page, after a check of all that is to be accessed there. Flags are as
// before where they matter.
void Translator::find_addend(const Insn& insn, bool write, unsigned size, u8 t0, u8 t1) {
  const u8 base = register_of(insn.base), index = register_of(insn.index);
  const SharedCheck& shared = shared_[current_];
  const i32 low = shared.first ? shared.low : 0;
  if (shared.first) size = shared.size;
  flags_into_slot(t0);
  for (const u8 reg : {k10, k11})
    if (addresses_by(insn, reg)) load_guest(reg);
  const bool simple = base != kNone && index == kNone && insn.address_form != isa::AddressForm::Based64 &&
                      base != t0 && base != t1 && insn.disp < i64{1} << 30;
  if (simple) {
    check_at(base, static_cast<i32>(insn.disp) + low, t0, t1, write, size);
  } else {
    address_into(insn, t0);
    if (low) a_.lea(t0, at(t0, low));
    check(t0, t1, write, size);
  }
  flags_lost();
  if (wants_host_flags(current_)) flags_into_host(t0);
  a_.load(t0, gs(t1, tlb_offset(write, true)));
  keep_addend(t0);
}

// Checks the operand and gives it as a host operand in t0 and t1.
Mem Translator::host_operand(const Insn& insn, bool write, unsigned size, u8 t0, u8 t1) {
  const u8 base = register_of(insn.base), index = register_of(insn.index);
  if (follows()) load_shared_addend(t0);
  else find_addend(insn, write, size, t0, t1);
  const auto is_lost = [&](u8 reg) { return (reg == k10 || reg == k11) && !names_gpr(insn, reg); };
  const bool base_lost = is_lost(base), index_lost = is_lost(index);
  const i32 disp =
      static_cast<i32>(static_cast<u64>(insn.disp) + (insn.base == isa::kRipOffset ? t_->rip : 0));
  if (insn.address_form == isa::AddressForm::Based64) {
    a_.load(t1, gs(offset(&context_.state.segments[insn.segment].base)));
    a_.lea(t0, Mem{t0, t1, 0, 0, false});
    if (t0 == k10) r10_addend_ = kNoGroup;
  }
  if (base_lost) a_.load(t1, gpr(base));
  if (index_lost) a_.load(t1, gpr(index));
  const u8 b = base_lost ? t1 : base, i = index_lost ? t1 : index;
  if (i == kNone) return b == kNone ? at(t0, disp) : Mem{b, t0, 0, disp, false};
  a_.lea(t1, Mem{b, i, insn.scale_log2, disp, false});
  return {t1, t0, 0, 0, false};
}

void Translator::memory(const Insn& insn, const Decoded& d) {
  u8 t0 = kNone, t1 = kNone;
  pick_scratch(insn, t0, t1);
  for (const u8 reg : {k10, k11})
    if (names_gpr(insn, reg)) load_guest(reg);
  const bool constant = insn.address_form != isa::AddressForm::Based64 && insn.index == isa::kZeroOffset &&
                        (insn.base == isa::kRipOffset || insn.base == isa::kZeroOffset);
  if (constant) {
    memory_at_constant(d, static_cast<u64>(insn.disp) + (insn.base == isa::kRipOffset ? t_->rip : 0), t0, t1);
  } else {
    const bool write = d.memory->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    rewrite(a_, d.bytes, d.insn, host_operand(insn, write, d.memory->size / 8, t0, t1));
  }
  for (const u8 reg : {k10, k11})
    if (names_gpr(insn, reg)) store_guest(reg);
  for (unsigned n = 0; n < 2; ++n)
    if (borrowed_[n] != kNone) a_.load(borrowed_[n], spill(n));
}

// R10 = the 64-bit operand, a register or memory.
void Translator::read_to_r10(const Insn& insn, const Decoded& d) {
  if (!d.memory) {
    const u8 reg = insn.reg[0] / 8;
    if (reg == k10 || reg == k11) a_.load(k10, gpr(reg));
    else a_.mov(k10, reg);
    return;
  }
  const bool constant = insn.address_form != isa::AddressForm::Based64 && insn.index == isa::kZeroOffset &&
                        (insn.base == isa::kRipOffset || insn.base == isa::kZeroOffset);
  if (!constant) return a_.load(k10, host_operand(insn, false, 8, k10, k11));
  const u64 address = static_cast<u64>(insn.disp) + (insn.base == isa::kRipOffset ? t_->rip : 0);
  a_.mov_imm(k10, address);
  flags_into_slot(k11);
  check(k10, k11, false, 8);
  flags_lost();
  if (wants_host_flags(current_)) flags_into_host(k10);
  a_.load(k11, gs(k11, tlb_offset(false, true)));
  a_.mov_imm(k10, address);
  a_.load(k10, Mem{k10, k11, 0, 0, false});
}

// --- The stack --------------------------------------------------------------------------------------------

// R10 = what is to be added to base + disp, 8 bytes on the stack, for the host's address.
void Translator::stack_check(u8 base, i32 disp, bool write) {
  if (follows()) return load_shared_addend(k10);
  const SharedCheck& shared = shared_[current_];
  flags_into_slot(k10);
  if (shared.first) check_at(base, disp + shared.low, k10, k11, write, shared.size);
  else check_at(base, disp, k10, k11, write, 8);
  flags_lost();
  if (wants_host_flags(current_)) flags_into_host(k10);
  a_.load(k10, gs(k11, tlb_offset(write, true)));
  keep_addend(k10);
}

void Translator::push(const Insn& insn, const Decoded& d) {
  if (d.memory) {
    read_to_r10(insn, d);
    a_.store(spill(0), k10);
  }
  stack_check(kSp, -8, true);
  const Mem top{kSp, k10, 0, -8, false};
  if (insn.kind[0] == OperandKind::Imm) {
    a_.store_imm(top, static_cast<i32>(insn.imm));
  } else {
    u8 reg = d.memory ? k11 : insn.reg[0] / 8;
    if (d.memory) {
      a_.load(k11, spill(0));
    } else if (reg == k10 || reg == k11) {
      a_.load(k11, gpr(reg));
      reg = k11;
    }
    a_.store(top, reg);
  }
  a_.lea(kSp, at(kSp, -8));
}

void Translator::pop(const Insn& insn) {
  stack_check(kSp, 0, false);
  const u8 reg = insn.reg[0] / 8;
  const bool through_r10 = reg == k10 || reg == k11 || reg == kSp;
  if (through_r10) r10_addend_ = kNoGroup;
  a_.load(through_r10 ? k10 : reg, Mem{kSp, k10, 0, 0, false});
  if (reg == kSp) return a_.mov(kSp, k10);
  a_.lea(kSp, at(kSp, 8));
  if (reg == k10 || reg == k11) a_.store(gpr(reg), k10);
}

void Translator::leave() {
  stack_check(kBp, 0, false);
  r10_addend_ = kNoGroup;
  a_.load(k10, Mem{kBp, k10, 0, 0, false});
  a_.lea(kSp, at(kBp, 8));
  a_.mov(kBp, k10);
}

void Translator::push_constant(u64 value) {
  stack_check(kSp, -8, true);
  const Mem top{kSp, k10, 0, -8, false};
  if (fits(value)) {
    a_.store_imm(top, static_cast<i32>(value));
  } else {
    a_.mov_imm(k11, value);
    a_.store(top, k11);
  }
  a_.lea(kSp, at(kSp, -8));
}

void Translator::call(const Insn& insn) {
  const u64 next = t_->rip + insn.offset + insn.length;
  push_constant(next);
  exit_to(next + insn.imm);
}

void Translator::call_indirect(const Insn& insn, const Decoded& d) {
  read_to_r10(insn, d);
  a_.store(spill(0), k10);
  push_constant(t_->rip + insn.offset + insn.length);
  a_.load(k10, spill(0));
  indirect_exit();
}

void Translator::jump_indirect(const Insn& insn, const Decoded& d) {
  read_to_r10(insn, d);
  indirect_exit();
}

void Translator::ret(const Insn& insn) {
  stack_check(kSp, 0, false);
  a_.load(k10, Mem{kSp, k10, 0, 0, false});
  a_.lea(kSp, at(kSp, static_cast<i32>(8 + (insn.kind[0] == OperandKind::Imm ? insn.imm & 0xffff : 0))));
  indirect_exit();
}

}  // namespace tandem::jit
