// DebugPoints: where a debugger wants a vCPU to stop. The guest sees nothing of them.
#pragma once

#include <unordered_set>
#include <vector>

#include "core/base/types.h"

namespace tandem::cpu {

enum class WatchKind : u8 { Write, Read, Access };

struct Watchpoint {
  u64 start = 0, length = 1;  // linear addresses
  WatchKind kind = WatchKind::Write;

  bool matches(u64 linear, u64 size, bool write) const {
    return linear < start + length && start < linear + size &&
           (kind == WatchKind::Access || (kind == WatchKind::Write) == write);
  }
  bool operator==(const Watchpoint&) const = default;
};

struct DebugPoints {
  std::unordered_set<u64> breakpoints;  // linear addresses of instructions
  std::vector<Watchpoint> watchpoints;

  bool watches_page(u64 linear) const {
    const u64 page = linear & ~kPageMask;
    for (const Watchpoint& w : watchpoints)
      if (w.start < page + kPageSize && page < w.start + w.length) return true;
    return false;
  }
  const Watchpoint* hit(u64 linear, u64 size, bool write) const {
    for (const Watchpoint& w : watchpoints)
      if (w.matches(linear, size, write)) return &w;
    return nullptr;
  }
  bool operator==(const DebugPoints&) const = default;
};

// Why a vCPU stopped for a debugger.
struct DebugHit {
  enum class Kind : u8 { Step, Breakpoint, Watchpoint };
  Kind kind = Kind::Step;
  u64 address = 0;                     // of the breakpoint; start of the watchpoint
  WatchKind watch = WatchKind::Write;  // where it is one
};

}  // namespace tandem::cpu
