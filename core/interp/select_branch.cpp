#include "core/interp/select.h"
#include "core/isa/op.h"
#include "core/semantics/control.h"

namespace tandem::interp {

namespace {

// In 64-bit mode a near target inside the block's own canonical half can't fault.
bool plain_target(const Context& c) { return c.mode.code_size == 8; }

template <unsigned N>
TANDEM_HANDLER void jcc(Context& c, const Insn* insn) {
  const bool taken = semantics::alu::condition<N>(c.flags);
  if (!plain_target(c)) [[unlikely]] {
    c.current = insn;
    if (semantics::jcc<N>(c, *insn) != Step::Branch) {
      c.left = Step::Fault;
      return;
    }
  } else {
    c.state.rip += insn->offset + insn->length + (taken ? insn->imm : 0);
  }
  const Insn* next = follow(c, taken);
  if (!next) return;
  [[clang::musttail]] return handler_of(next)(c, next);
}

TANDEM_HANDLER void fall_through(Context& c, const Insn* tail) {
  c.state.rip += tail->offset;
  if (!plain_target(c)) c.state.rip &= c.mode.code_size == 4 ? 0xffffffff : 0xffff;
  const Insn* next = follow(c, 0);
  if (!next) return;
  [[clang::musttail]] return handler_of(next)(c, next);
}

TANDEM_HANDLER void stale(Context& c, const Insn* insn) {
  c.current = insn;
  c.left = Step::Again;
}

template <unsigned... N>
const void* select_jcc(const Insn& insn, std::integer_sequence<unsigned, N...>) {
  static constexpr isa::Op kOps[] = {isa::Op::JO, isa::Op::JNO, isa::Op::JB,  isa::Op::JNB,
                                     isa::Op::JZ, isa::Op::JNZ, isa::Op::JBE, isa::Op::JNBE,
                                     isa::Op::JS, isa::Op::JNS, isa::Op::JP,  isa::Op::JNP,
                                     isa::Op::JL, isa::Op::JNL, isa::Op::JLE, isa::Op::JNLE};
  const void* h = nullptr;
  ((h = insn.op == kOps[N] ? address<jcc<N>>() : h), ...);
  return h;
}

}  // namespace

const void* fall_through_handler() { return address<fall_through>(); }
const void* stale_handler() { return address<stale>(); }

const void* select_branch(const Insn& insn) {
  using isa::Op;
  switch (insn.op) {
    case Op::JMP: return address<direct<semantics::jmp>>();
    case Op::CALL: return address<direct<semantics::call>>();
    case Op::JMP_INDIRECT: return address<indirect<semantics::jmp_indirect>>();
    case Op::CALL_INDIRECT: return address<indirect<semantics::call_indirect>>();
    case Op::RET: return address<indirect<semantics::ret>>();
    default: return select_jcc(insn, std::make_integer_sequence<unsigned, 16>());
  }
}

}  // namespace tandem::interp
