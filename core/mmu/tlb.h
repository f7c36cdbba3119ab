// The soft TLB: direct-mapped tables from linear page to host address, private to one vCPU.
#pragma once

#include "core/base/types.h"

namespace tandem::mmu {

inline constexpr unsigned kTlbEntries = 1024;

// An entry hits when tag equals the page of the access's last byte; host address = linear + addend.
// A page is absent while it is MMIO, ROM (for writes), holds code (for writes) or is watched.
struct TlbEntry {
  u64 tag;
  u64 addend;
};
inline constexpr u64 kInvalidTag = ~u64{0};

// Who accesses: CPL 3; CPL < 3; CPL < 3 while SMAP forbids user pages.
enum class Privilege : u8 { User, Supervisor, SupervisorSmap };
inline constexpr unsigned kPrivilegeCount = 3;

struct TlbBank {
  TlbEntry read[kTlbEntries];
  TlbEntry write[kTlbEntries];
};

constexpr unsigned tlb_index(u64 linear) { return (linear >> kPageShift) & (kTlbEntries - 1); }

struct Tlb {
  TlbBank banks[kPrivilegeCount];
  TlbBank empty;  // never filled: in use while every access has to take the slow path

  Tlb();
  void flush();
  void flush_page(u64 linear);
  // Removes write entries that lead to the host page at `host` (a page that now holds code).
  void protect_host_page(const u8* host);
};

}  // namespace tandem::mmu
