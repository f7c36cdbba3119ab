// String instructions and XLAT. Of those that are repeated, MOVS and STOS inside of a page; the others are
// sites, which do as much as is in a page at once.
#include <bit>

#include "core/isa/op.h"
#include "jit/base/op_kinds.h"
#include "jit/base/translator.h"

namespace tandem::jit {

using isa::Insn;

// Goes to the site where strings go downwards.
void Translator::check_direction() {
  flags_into_slot(kT0);
  a_.test_byte(at_address(address_of(&context_.state.rflags) + 1), cpu::kDf >> 8);
  slow_if(Cc::Nz);
}

void Translator::advance(u8 reg, const Insn& insn) {
  const Mem next = at(reg, insn.size);
  if (insn.address_size == 2) a_.lea16(reg, next);
  else a_.lea(reg, next, insn.address_size == 8);
}

void Translator::string(const Insn& insn) {
  const SegmentOffset from{.base = kSi, .size = insn.address_size, .segment = insn.segment};
  const SegmentOffset to{.base = kDi, .size = insn.address_size, .segment = cpu::kEs};
  const StringKind kind = string_kind(insn.op);
  free_t1();
  check_direction();
  switch (kind) {
    case StringKind::Move: move_string(insn, from, to); break;
    case StringKind::Compare: compare_string(insn, from, to); break;
    case StringKind::Load:
      find_segmented(from, insn.size, false);
      a_.load_part(kAx, at(kT0), insn.size);
      break;
    case StringKind::Store:
      find_segmented(to, insn.size, true);
      a_.store_part(at(kT0), kAx, insn.size);
      break;
    case StringKind::Scan:
      find_segmented(to, insn.size, false);
      a_.compare_part(kAx, at(kT0), insn.size);
      break;
  }
  if (kind != StringKind::Store && kind != StringKind::Scan) advance(kSi, insn);
  if (kind != StringKind::Load) advance(kDi, insn);
}

// T1 = offset of the TLB entry of the page at `pointer`; to the site if RCX elements reach beyond it.
void Translator::find_run(u8 pointer, unsigned size, bool write) {
  a_.mov(kT0, pointer);
  into_page(write);
  a_.alu_imm(Alu::Cmp, kT0, static_cast<i32>(kPageSize));
  slow_if(Cc::A);
  // What is left of the page: its size less the distance.
  a_.alu_imm(Alu::Xor, kT0, -1);
  a_.lea(kT0, at(kT0, static_cast<i32>(kPageSize) + 1));
  if (size > 1) a_.shr(kT0, static_cast<u8>(std::countr_zero(size)), true);
  a_.alu(Alu::Cmp, kCx, kT0);
  slow_if(Cc::A);
}

// The host's own, on addresses that are the guest's again behind it. Each page is one piece of the host's, so
// that operands which overlap do so there.
void Translator::repeated_string(const Insn& insn) {
  const bool moves = string_kind(insn.op) == StringKind::Move;
  free_t1();
  check_direction();
  if (moves) {
    find_run(kSi, insn.size, false);
    a_.load(kT0, at(kT1, tlb_address(false, true)));
    a_.store(spill(0), kT0);
  }
  find_run(kDi, insn.size, true);
  const Mem addend = at(kT1, tlb_address(true, true));
  a_.alu(Alu::Add, kDi, addend);
  if (moves) a_.alu(Alu::Add, kSi, spill(0));
  if (insn.size == 2) a_.byte(0x66);
  a_.byte(0xf3);
  if (insn.size == 8) a_.byte(0x48);
  a_.byte(static_cast<u8>((moves ? 0xa4 : 0xaa) | (insn.size > 1 ? 1 : 0)));
  a_.alu(Alu::Sub, kDi, addend);
  if (moves) a_.alu(Alu::Sub, kSi, spill(0));
  flags_lost();
}

void Translator::move_string(const Insn& insn, const SegmentOffset& from, const SegmentOffset& to) {
  find_segmented(from, insn.size, false);
  a_.load_part(kT1, at(kT0), insn.size);
  a_.store(spill(0), kT1);
  find_segmented(to, insn.size, true);
  a_.load(kT1, spill(0));
  a_.store_part(at(kT0), kT1, insn.size);
}

void Translator::compare_string(const Insn& insn, const SegmentOffset& from, const SegmentOffset& to) {
  find_segmented(to, insn.size, false);
  a_.load_part(kT1, at(kT0), insn.size);
  a_.store(spill(0), kT1);
  find_segmented(from, insn.size, false);
  a_.load_part(kT1, at(kT0), insn.size);
  a_.compare_part(kT1, spill(0), insn.size);
}

void Translator::translate_byte(const Insn& insn) {
  flags_into_slot(kT0);
  a_.movzx8(kT0, kAx);
  find_segmented({.base = kBx, .index = kT0, .size = insn.address_size, .segment = insn.segment}, 1, false);
  a_.load_part(kAx, at(kT0), 1);
}

}  // namespace tandem::jit
