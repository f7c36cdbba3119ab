// Building blocks of handlers.
#pragma once

#include "core/interp/context.h"
#include "core/semantics/operands.h"

namespace tandem::interp {

// AddressSanitizer's frames don't go with preserve_none; what handlers call is instrumented all the same.
#define TANDEM_HANDLER __attribute__((preserve_none, no_sanitize("address")))

// Starts a block that is known to be the right one for state.rip: its first instruction, or null to leave.
inline const Insn* start_block(Context& c, Block* block) {
  c.remaining -= block->count;
  if (c.remaining < 0 || c.requests.load(std::memory_order_relaxed) || block->runs_left == 0) [[unlikely]] {
    c.remaining += block->count;
    c.left = Step::Branch;
    return nullptr;
  }
  --block->runs_left;
  c.block = block;
  return block->insns.data();
}

// The block behind an indirect branch (state.rip is set), or null to leave.
inline const Insn* jump(Context& c) {
  const JumpEntry& e = c.jumps[Context::jump_index(c.state.rip)];
  if (is_good(c, e)) [[likely]]
    return start_block(c, e.block);
  c.left = Step::Branch;
  return nullptr;
}

// The same for a direct branch. slot: 0 not taken, 1 taken.
inline const Insn* follow(Context& c, unsigned slot) {
  if (Block* next = c.block->links[slot]) [[likely]]
    return start_block(c, next);
  Block* from = c.block;
  const Insn* first = jump(c);
  if (first) link(from, slot, c.block);
  else c.link_from = {from, slot, c.state.rip};
  return first;
}

// Any function of core/semantics as a handler.
template <auto F>
TANDEM_HANDLER void op(Context& c, const Insn* insn) {
  c.current = insn;
  const Step s = F(c, *insn);
  if (s != Step::Next) [[unlikely]] {
    c.left = s;
    return;
  }
  ++insn;
  [[clang::musttail]] return handler_of(insn)(c, insn);
}

// Branches: Step::Branch goes on with the next block at once.
template <auto F>
TANDEM_HANDLER void indirect(Context& c, const Insn* insn) {
  c.current = insn;
  const Step s = F(c, *insn);
  if (s != Step::Branch) [[unlikely]] {
    c.left = s;
    return;
  }
  const Insn* next = jump(c);
  if (!next) return;
  [[clang::musttail]] return handler_of(next)(c, next);
}
template <auto F>
TANDEM_HANDLER void direct(Context& c, const Insn* insn) {
  c.current = insn;
  const Step s = F(c, *insn);
  if (s != Step::Branch) [[unlikely]] {
    c.left = s;
    return;
  }
  const Insn* next = follow(c, 1);
  if (!next) return;
  [[clang::musttail]] return handler_of(next)(c, next);
}

template <auto F>
const void* address() {
  return reinterpret_cast<const void*>(static_cast<Handler>(F));
}

// Handlers for operand forms that are worth their own code; null where the general one serves. By file.
const void* select_arithmetic(const Insn& insn);
const void* select_move(const Insn& insn);
const void* select_branch(const Insn& insn);

}  // namespace tandem::interp
