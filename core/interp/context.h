// What the interpreter's handlers work on, and how they chain.
#pragma once

#include <array>
#include <optional>

#include "core/cpu/cpu.h"
#include "core/interp/block.h"
#include "core/interp/upper_tier.h"

namespace tandem::interp {

using cpu::Cpu;
using cpu::Step;
using isa::Insn;

struct JumpEntry {
  u64 rip = ~u64{0};
  u64 base = 0;  // of CS: far branches between segments change nothing else
  u64 mode_and_generation = 0;
  Block* block = nullptr;
};
inline constexpr unsigned kJumpEntries = 4096;

struct PendingLink {
  Block* block = nullptr;
  unsigned slot = 0;
  u64 rip = 0;
};

// Between which two instructions of a run.
struct Boundary {
  i64 remaining;
  u64 rip;
  bool operator==(const Boundary&) const = default;
};
inline constexpr Boundary kNowhere{.remaining = i64{-1} << 62, .rip = 0};

struct Context : cpu::Cpu {
  Block* block = nullptr;
  const Insn* current = nullptr;  // the instruction that runs, exact wherever memory or devices are reached
  i64 remaining = 0;              // of the budget; a block's instructions are taken at its start
  bool limited = false;           // the budget will be spent
  Step left = Step::Next;         // how the handler chain was left, at `current`
  PendingLink link_from;          // to be linked with the block at its rip, if that comes next
  u64 jump_tag = 0, jump_tag_global = 0;  // one of what a JumpEntry must carry to be good now
  bool page_is_global = false;            // that of the block at rip
  u32 held = 0;                           // Request bits that wait for the CPU to be able to take them
  std::optional<u64> host_tsc_offset;     // see ExitSink
  TierFrame tier;
  UpperTier* upper = nullptr;  // for its code's way back
  BlockSource* blocks = nullptr;
  mem::CodeWriteListener* listener = nullptr;  // under which this vCPU marks pages as holding code
  Boundary shadow_dropped_at = kNowhere;       // see drop_idle_shadow()
  std::array<JumpEntry, kJumpEntries> jumps;

  static unsigned jump_index(u64 rip) {
    return static_cast<unsigned>((rip ^ rip >> 12) & (kJumpEntries - 1));
  }
};

inline u64 linear_rip(const Cpu& c) {
  if (c.mode.code_size == 8) return c.state.rip;
  return static_cast<u32>(c.state.segments[cpu::kCs].base + c.state.rip);
}

inline bool is_good(const Context& c, const JumpEntry& e) {
  return e.rip == c.state.rip && e.base == c.state.segments[cpu::kCs].base &&
         (e.mode_and_generation == c.jump_tag || e.mode_and_generation == c.jump_tag_global);
}

// Single steps, breakpoints and shadows need a look between any two instructions.
inline bool needs_single_step(const Cpu& c) {
  const cpu::PendingEvents& e = c.state.events;
  return (c.state.rflags & (cpu::kTf | cpu::kRf)) || (c.state.dr[7] & 0xff) || e.interrupt_shadow_sti ||
         e.interrupt_shadow_movss;
}

// The shadow of STI keeps off only interrupts: where none waits, it need not be kept.
inline void drop_idle_shadow(Context& c) {
  cpu::PendingEvents& e = c.state.events;
  if (!e.interrupt_shadow_sti || c.held || c.requests.load(std::memory_order_relaxed)) return;
  e.interrupt_shadow_sti = false;
  c.shadow_dropped_at = {c.remaining, c.state.rip};
}

// Unless one has come before the next instruction was begun: it would be taken between STI and HLT.
inline void restore_idle_shadow(Context& c) {
  if (c.shadow_dropped_at == Boundary{c.remaining, c.state.rip}) c.state.events.interrupt_shadow_sti = true;
  c.shadow_dropped_at = kNowhere;
}

// A handler executes *insn and jumps to that of the next; it returns only to leave the block.
using Handler = void(__attribute__((preserve_none)) *)(Context&, const Insn*);

inline Handler handler_of(const Insn* insn) {
  return reinterpret_cast<Handler>(const_cast<void*>(insn->handler));
}

// The handler for a decoded instruction.
const void* select_handler(const Insn& insn);
// Ends a block that does not end in a branch.
const void* fall_through_handler();
// Leaves a block that was invalidated while it ran.
const void* stale_handler();

}  // namespace tandem::interp
