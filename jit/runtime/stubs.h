// Code that all translations share: the way in, the ways out, vector registers.
#pragma once

#include "core/base/result.h"
#include "core/interp/context.h"
#include "core/semantics/host/code_arena.h"

namespace tandem::jit {

// What T1 holds when code leaves with one of these; otherwise the id of a link.
enum LeaveReason : u32 { kLeftIndirect = 0xffffffff, kLeftSite = 0xfffffffe };
inline constexpr u32 kSignalSite = 0xffffffff;  // the site is where a signal came from

struct Stubs {
  using Enter = u32 (*)(interp::Context* context, const u8* code);

  Enter enter = nullptr;
  // Jumped to with guest registers in place.
  const u8* leave = nullptr;        // T1: id of a link; state.rip is the runtime's business
  const u8* leave_saved = nullptr;  // the same, flags already saved
  const u8* indirect =
      nullptr;  // T0: the guest rip to go to, which no translation was found for; flags saved
  const u8* indirect_hosted =
      nullptr;                     // the same with the rip in TierFrame::branch_target, and the budget in T1
  const u8* site = nullptr;        // T1: id of a site, flags are in RFLAGS
  const u8* site_saved = nullptr;  // the same, flags already saved (or dead)
  const u8* signal = nullptr;      // a host signal ended an instruction

  struct Vectors {
    const u8* load = nullptr;  // see TierFrame
    const u8* load_all = nullptr;
    const u8* enter = nullptr;
    const u8* save = nullptr;
  };
  Vectors sse, avx, avx512;
};

// Appends the stubs for this context to the arena, which must have room for 16 KiB.
Stubs make_stubs(semantics::CodeArena& arena, interp::Context& context);

}  // namespace tandem::jit
