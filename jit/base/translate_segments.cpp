// Segment registers: their selectors read and, outside of protected mode, loaded.
#include <cstring>

#include "core/isa/op.h"
#include "jit/base/op_kinds.h"
#include "jit/base/translator.h"

namespace tandem::jit {

using isa::Insn;
using isa::Op;
using isa::OperandKind;

void Translator::read_segment(const Insn& insn) {
  const u8 reg = insn.reg[0] / 8;
  const Mem selector = field(&context_.state.segments[insn.reg[1]].selector);
  if (insn.size == 2) return a_.load_part(reg, selector, 2);
  if (reg == kT1) free_t1();
  a_.movzx16(reg, selector);
  if (reg == kT0 || reg == kT1) hold(reg, Held::Dirty);
}

void Translator::store_segment(const Insn& insn) {
  find_segmented(offset_of(insn), 2, true);
  a_.movzx16(kT1, field(&context_.state.segments[insn.reg[1]].selector));
  a_.store_part(at(kT0), kT1, 2);
}

// Of a slot of four bytes only the lower half is written, as CPUs do.
void Translator::push_segment(const Insn& insn) {
  const i32 size = insn.size;
  find_segmented(stack_offset(kSp, -size), 2, true);
  a_.movzx16(kT1, field(&context_.state.segments[insn.reg[0]].selector));
  a_.store_part(at(kT0), kT1, 2);
  set_stack_pointer(kSp, -size);
}

// And does all else that the instruction does.
void Translator::selector_into_t1(const Insn& insn) {
  switch (insn.op) {
    case Op::MOV_TO_SEGMENT:
      if (insn.kind[1] == OperandKind::Gpr) return a_.movzx16(kT1, insn.reg[1] / 8);
      find_segmented(offset_of(insn), 2, false);
      return a_.movzx16(kT1, at(kT0));
    case Op::POP_SEGMENT:
      find_segmented(stack_offset(kSp, 0), 2, false);
      a_.movzx16(kT1, at(kT0));
      return set_stack_pointer(kSp, insn.size);
    default:  // LDS and the like
      find_segmented(offset_of(insn), insn.size + 2u, false);
      a_.movzx16(kT1, at(kT0, insn.size));
      a_.load_part(insn.reg[0] / 8, at(kT0), insn.size);
  }
}

void Translator::load_segment(const Insn& insn) {
  selector_into_t1(insn);
  set_segment(loaded_segment(insn));
}

// As semantics::load_segment_real() does, by the selector in T1.
void Translator::set_segment(unsigned segment) {
  constexpr unsigned kPlaces = offsetof(cpu::Segment, base) / 8;
  cpu::Segment& s = context_.state.segments[segment];
  if (context_.mode.vm86) {
    const cpu::Segment fixed{.type = 3, .s = true, .dpl = 3, .present = true, .limit = 0xffff};
    u64 parts[kPlaces];
    std::memcpy(parts, &fixed, sizeof parts);
    for (unsigned n = 0; n < kPlaces; ++n) {
      a_.mov_imm(kT0, parts[n]);
      a_.store(at_address(address_of(&s) + static_cast<i32>(8 * n)), kT0);
    }
  }
  a_.store_part(field(&s.selector), kT1, 2);
  a_.lea(kT0, Mem{kNone, kT1, 3, 0, false});
  a_.lea(kT0, Mem{kT0, kT0, 0, 0, false});
  a_.store(field(&s.base), kT0);
}

}  // namespace tandem::jit
