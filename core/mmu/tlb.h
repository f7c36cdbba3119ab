// The soft TLB: direct-mapped tables from linear page to host address, private to one vCPU.
#pragma once

#include "core/mmu/page_filter.h"

namespace tandem::mmu {

inline constexpr unsigned kTlbEntries = 1024;

// An entry hits when tag equals the page of the access's last byte; host address = linear + addend.
// A page is absent while it is MMIO, ROM (for writes), holds code (for writes) or is watched. One that holds
// code may be written below it: there the tag is the page's address less as many bytes as may not, which
// equals no page. Who subtracts the tag from an address of the page that `i` is the index of finds what is
// left of 4 KiB behind it either way.
struct TlbEntry {
  u64 tag;
  u64 addend;
};
// Far from all addresses of 32 bits, and no multiple of 2, as those of pages are.
inline constexpr u64 kInvalidTag = u64{1} << 63 | 1;

// Who accesses: CPL 3; CPL < 3; CPL < 3 while SMAP forbids user pages.
enum class Privilege : u8 { User, Supervisor, SupervisorSmap };
inline constexpr unsigned kPrivilegeCount = 3;

struct TlbBank {
  TlbEntry read[kTlbEntries];
  TlbEntry write[kTlbEntries];
  u64 local[kTlbEntries / 64] = {};  // bit i: entry i may hold a page that is not global
};

constexpr unsigned tlb_index(u64 linear) { return (linear >> kPageShift) & (kTlbEntries - 1); }

struct Tlb {
  TlbBank banks[kPrivilegeCount];
  TlbBank empty;  // never filled: in use while every access has to take the slow path

  Tlb();
  // page_shift: log2 of the size of the page that linear is in. end: how much of the 4 KiB may be accessed.
  void fill(Privilege privilege, u64 linear, u64 addend, bool write, bool global, unsigned page_shift,
            u64 end = kPageSize);
  void flush();
  void flush_local();  // all but global pages
  // Only for a page of 4 KiB: of a larger one there may be many entries.
  void flush_page(u64 linear);
  bool may_be_in_large_page(u64 linear) const {
    return large_.may_contain(linear) || huge_.may_contain(linear);
  }
  // Removes write entries that lead to the host page at `host` (a page that now holds code).
  void protect_host_page(const u8* host);

 private:
  RegionFilter<22> large_;  // pages of 2 and 4 MiB that entries were made of
  RegionFilter<30> huge_;   // of 1 GiB
};

}  // namespace tandem::mmu
