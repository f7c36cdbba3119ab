// The soft TLB: direct-mapped tables from linear page to host address, private to one vCPU.
#pragma once

#include <array>
#include <bit>

#include "core/mmu/page_filter.h"

namespace tandem::mmu {

// Kernels have some tens of pages in use at a time, at random places: of 1024 entries, two pages that shared
// one were common.
inline constexpr unsigned kTlbEntries = 4096;

// An entry hits when tag equals the page of the access's last byte; host address = linear + addend.
// A page is absent while it is MMIO, ROM (for writes), holds code (for writes) or is watched. One that holds
// code may be written below it: there the tag is the page's address less as many bytes as may not, which
// equals no page. Who subtracts the tag from an address of the page that `i` is the index of finds what is
// left of 4 KiB behind it either way.
struct TlbEntry {
  // Far from all addresses of 32 bits, and no multiple of 2, as those of pages are.
  static constexpr u64 kInvalid = u64{1} << 63 | 1;
  u64 tag = kInvalid;
  u64 addend = 0;
};

// Who accesses: CPL 3; CPL < 3; CPL < 3 while SMAP forbids user pages.
enum class Privilege : u8 { User, Supervisor, SupervisorSmap };
inline constexpr unsigned kPrivilegeCount = 3;

// Entries of a bank.
class TlbSet {
 public:
  void add(unsigned i) {
    words_[i / 64] |= u64{1} << i % 64;
    used_ |= u64{1} << i / 64;
  }
  void clear() {
    for_each_bit(used_, [this](unsigned word) { words_[word] = 0; });
    used_ = 0;
  }
  template <class F>
  void for_each(F f) const {
    for_each_bit(
        used_, [&](unsigned word) { for_each_bit(words_[word], [&](unsigned bit) { f(64 * word + bit); }); });
  }

 private:
  template <class F>
  static void for_each_bit(u64 bits, F f) {
    for (; bits; bits &= bits - 1) f(static_cast<unsigned>(std::countr_zero(bits)));
  }

  std::array<u64, kTlbEntries / 64> words_ = {};
  u64 used_ = 0;  // words that are not 0
  static_assert(kTlbEntries / 64 <= 64);
};

struct TlbBank {
  TlbEntry read[kTlbEntries];
  TlbEntry write[kTlbEntries];
  TlbSet filled;  // what may hold a page, in either table
  TlbSet local;   // one that is not global
};

constexpr unsigned tlb_index(u64 linear) { return (linear >> kPageShift) & (kTlbEntries - 1); }

struct Tlb {
  TlbBank banks[kPrivilegeCount];
  TlbBank empty;  // never filled: in use while every access has to take the slow path

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
