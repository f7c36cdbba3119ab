// Accesses of 16-bit code, and by segments with bases or limits: the offset, cut to its size, a look whether
// the segment has it, its base, and the soft TLB's check. What fails one of them goes to a site, where the
// interpreter knows all cases.
#include "core/isa/op.h"
#include "jit/base/op_kinds.h"
#include "jit/base/rewrite.h"
#include "jit/base/translator.h"

namespace tandem::jit {

using isa::Insn;
using isa::OperandKind;

namespace {

constexpr i32 kEndOf16Bits = 0x10000;

u8 number_of(u8 offset) { return offset == isa::kZeroOffset ? kNone : offset / 8; }

}  // namespace

Translator::SegmentOffset Translator::offset_of(const Insn& insn) const {
  return {number_of(insn.base),        number_of(insn.index), insn.scale_log2,
          static_cast<i32>(insn.disp), insn.address_size,     insn.segment};
}

// --- The access -------------------------------------------------------------------------------------------

// T0 = the offset.
void Translator::form_offset(const SegmentOffset& o) {
  a_.lea(kT0, Mem{o.base, o.index, o.scale_log2, o.disp, false}, o.size == 8);
  if (o.size == 2) a_.movzx16(kT0, kT0);
}

// Goes to the site where the segment may not have all the bytes at the offset in T0.
void Translator::check_offset(const SegmentOffset& o, unsigned bytes, bool write) {
  if (wide_) return;
  const SegmentUse use = use_of(o.segment);
  if (o.parts && o.size == 2) {
    a_.alu_imm(Alu::Cmp, kT0, kEndOf16Bits - static_cast<i32>(bytes), false);
    slow_if(Cc::A);
  }
  // Where all of a page is in it, what wraps ends in another page.
  if (use == SegmentUse::Flat || (use == SegmentUse::Unlimited && o.size == 2)) return;
  if (use == SegmentUse::Unlimited || (use == SegmentUse::Short && o.size == 2)) {
    if (bytes == 1) return;
    const i32 end = use == SegmentUse::Unlimited ? 0 : kEndOf16Bits;
    a_.alu_imm(Alu::Cmp, kT0, end - static_cast<i32>(bytes), false);
  } else {
    const auto& ends = write ? context_.tier.write_end : context_.tier.read_end;
    a_.lea(kT1, at(kT0, static_cast<i32>(bytes)));
    a_.alu(Alu::Cmp, kT1, field(&ends[o.segment]));
  }
  slow_if(Cc::A);
}

bool Translator::adds_base(unsigned segment) const {
  return wide_ ? segment >= cpu::kFs : use_of(segment) != SegmentUse::Flat;
}

// T1 = offset of the TLB entry for the address in T0, which becomes its distance from the entry's tag: more
// than a page where that is another page's.
void Translator::into_page(bool write) {
  entry_of(kT1, kT0);
  const Mem tag = at(kT1, tlb_address(write, false));
  if (wide_) {  // an address of 64 bits may be in the page where the tag of no page is
    a_.test_byte(tag, mmu::TlbEntry::kInvalid & 1);
    slow_if(Cc::Nz);
  }
  a_.alu(Alu::Sub, kT0, tag);
}

// T0 = the host's address of the bytes there. Flags are as before where they matter.
void Translator::find_segmented(const SegmentOffset& o, unsigned bytes, bool write) {
  free_t1();
  flags_into_slot(kT0);
  form_offset(o);
  find_formed(o, bytes, write);
}

// The same for the offset in T0. A page is looked up by its first byte; what is left behind the tag
// (mmu::TlbEntry) is enough for the bytes, or not.
void Translator::find_formed(const SegmentOffset& o, unsigned bytes, bool write) {
  check_offset(o, bytes, write);
  if (adds_base(o.segment)) a_.alu(Alu::Add, kT0, field(&context_.state.segments[o.segment].base), wide_);
  into_page(write);
  a_.alu_imm(Alu::Cmp, kT0, static_cast<i32>(kPageSize - bytes));
  slow_if(Cc::A);
  a_.alu(Alu::Add, kT0, at(kT1, tlb_address(write, false)));
  a_.alu(Alu::Add, kT0, at(kT1, tlb_address(write, true)));
  flags_lost();
  if (wants_host_flags(current_)) flags_into_host(kT1);
}

void Translator::load_sized(u8 reg, const Mem& m, unsigned size) {
  if (size == 2) a_.movzx16(reg, m);
  else a_.load(reg, m, false);
}
void Translator::merge_sized(u8 reg, u8 from, unsigned size) {
  if (size == 2) a_.mov16(reg, from);
  else a_.mov(reg, from, false);
}
void Translator::set_stack_pointer(u8 base, i32 disp) {
  if (context_.mode.stack_size == 2) a_.lea16(kSp, at(base, disp));
  else a_.lea(kSp, at(base, disp), false);
}

// T0 = the operand of a stack's or branch's size, a register or memory.
void Translator::read_segmented(const Insn& insn, const Encoded& d) {
  if (d.memory) {
    find_segmented(offset_of(insn), insn.size, false);
    return load_sized(kT0, at(kT0), insn.size);
  }
  const u8 reg = insn.reg[0] / 8;
  if (insn.size == 2) a_.movzx16(kT0, reg);
  else a_.mov(kT0, reg, false);
}

// --- Forms ------------------------------------------------------------------------------------------------

void Translator::segmented_memory(const Insn& insn, const Encoded& d) {
  find_segmented(offset_of(insn), d.memory->bytes, d.memory->writes);
  if (!names_high_byte(insn)) return rewrite(a_, d, at(kT0));
  // Which no instruction with a REX prefix can name: the address by one that needs none.
  a_.mov(kT1, kDi);
  a_.mov(kDi, kT0);
  rewrite(a_, d, at(kDi));
  a_.mov(kDi, kT1);
}

void Translator::segmented_push(const Insn& insn, const Encoded& d) {
  const i32 size = insn.size;
  if (d.memory) {
    read_segmented(insn, d);
    a_.store(spill(0), kT0);
  }
  find_segmented(stack_offset(kSp, -size), insn.size, true);
  if (insn.kind[0] == OperandKind::Imm) {
    if (insn.size == 2) a_.store16_imm(at(kT0), static_cast<u16>(insn.imm));
    else a_.store_imm(at(kT0), static_cast<i32>(insn.imm), false);
  } else {
    if (d.memory) a_.load(kT1, spill(0));
    a_.store_part(at(kT0), d.memory ? u8{kT1} : static_cast<u8>(insn.reg[0] / 8), insn.size);
  }
  set_stack_pointer(kSp, -size);
}

// A register that is popped sees the moved pointer, if it is that.
void Translator::segmented_pop(const Insn& insn) {
  find_segmented(stack_offset(kSp, 0), insn.size, false);
  load_sized(kT1, at(kT0), insn.size);
  set_stack_pointer(kSp, insn.size);
  merge_sized(insn.reg[0] / 8, kT1, insn.size);
}

// The destination's address sees the moved pointer, which moves when nothing is refused any more.
void Translator::segmented_pop_memory(const Insn& insn) {
  find_segmented(stack_offset(kSp, 0), insn.size, false);
  load_sized(kT1, at(kT0), insn.size);
  a_.store(spill(0), kT1);
  SegmentOffset to = offset_of(insn);
  if (to.base == kSp) to.disp += insn.size;
  find_segmented(to, insn.size, true);
  a_.load(kT1, spill(0));
  a_.store_part(at(kT0), kT1, insn.size);
  set_stack_pointer(kSp, insn.size);
}

void Translator::segmented_push_flags(const Insn& insn) {
  const i32 size = insn.size;
  spill_flags();
  find_segmented(stack_offset(kSp, -size), insn.size, true);
  a_.load(kT1, spill(0));
  a_.store_part(at(kT0), kT1, insn.size);
  set_stack_pointer(kSp, -size);
}

void Translator::push_all(const Insn& insn) {
  const i32 size = insn.size;
  SegmentOffset to = stack_offset(kSp, -8 * size);
  to.parts = true;
  find_segmented(to, 8u * insn.size, true);
  for (u8 reg = kAx; reg <= kDi; ++reg) a_.store_part(at(kT0, (kDi - reg) * size), reg, insn.size);
  set_stack_pointer(kSp, -8 * size);
}

void Translator::pop_all(const Insn& insn) {
  const i32 size = insn.size;
  SegmentOffset from = stack_offset(kSp, 0);
  from.parts = true;
  find_segmented(from, 8u * insn.size, false);
  for (u8 reg = kAx; reg <= kDi; ++reg)
    if (reg != kSp) a_.load_part(reg, at(kT0, (kDi - reg) * size), insn.size);
  set_stack_pointer(kSp, 8 * size);
}

void Translator::segmented_leave(const Insn& insn) {
  find_segmented(stack_offset(kBp, 0), insn.size, false);
  load_sized(kT1, at(kT0), insn.size);
  set_stack_pointer(kBp, insn.size);
  merge_sized(kBp, kT1, insn.size);
}

void Translator::push_return(const Insn& insn) {
  const i32 size = insn.size;
  find_segmented(stack_offset(kSp, -size), insn.size, true);
  code_address(kT1, next_of(insn), false);
  a_.store_part(at(kT0), kT1, insn.size);
  set_stack_pointer(kSp, -size);
}

void Translator::segmented_call(const Insn& insn) {
  push_return(insn);
  exit_to(target_of(insn));
}

// The target is in T0; one outside of CS is refused.
void Translator::check_code_limit(const Insn& insn) {
  if (t_->code_limit >= low_mask(insn.size * 8)) return;
  a_.alu_imm(Alu::Cmp, kT0, static_cast<i32>(t_->code_limit), false);
  slow_if(Cc::A);
}

void Translator::segmented_call_indirect(const Insn& insn, const Encoded& d) {
  flags_into_slot(kT0);
  read_segmented(insn, d);
  check_code_limit(insn);
  a_.store(spill(0), kT0);
  push_return(insn);
  a_.load(kT0, spill(0));
  indirect_exit();
}

void Translator::segmented_jump_indirect(const Insn& insn, const Encoded& d) {
  flags_into_slot(kT0);
  read_segmented(insn, d);
  check_code_limit(insn);
  indirect_exit();
}

void Translator::segmented_return(const Insn& insn) {
  flags_into_slot(kT0);
  find_segmented(stack_offset(kSp, 0), insn.size, false);
  load_sized(kT0, at(kT0), insn.size);
  check_code_limit(insn);
  const u64 more = insn.kind[0] == OperandKind::Imm ? insn.imm & 0xffff : 0;
  set_stack_pointer(kSp, static_cast<i32>(insn.size + more));
  indirect_exit();
}

void Translator::offset_lea(const Insn& insn) {
  const SegmentOffset o = offset_of(insn);
  const Mem m{o.base, o.index, o.scale_log2, o.disp, false};
  const u8 reg = insn.reg[0] / 8;
  if (insn.size == 2) return a_.lea16(reg, m);
  a_.lea(reg, m, false);
  if (o.size == 2) a_.movzx16(reg, reg);
}

}  // namespace tandem::jit
