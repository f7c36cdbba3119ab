// The page walk (SDM vol. 3, chapter 4): 32-bit, PAE and 4-level paging.
#pragma once

#include <array>

#include "core/mmu/access.h"

namespace tandem::mmu {

struct Translation {
  u64 physical = 0;       // of the linear address itself
  bool writable = false;  // for the privilege asked, W and A/D included: a write entry may be cached
  bool user = false;      // U/S of all levels
  bool global = false;
  unsigned page_shift = kPageShift;  // log2 of the page's size
};

// The paging structures that a walk went through, from the root down, for who keeps what follows from them.
struct WalkPath {
  struct Table {
    u64 physical;    // of its first entry
    unsigned shift;  // linear address bits below its index
  };
  std::array<Table, 4> tables{};
  unsigned count = 0;
  unsigned entry_size = 8;      // bytes
  bool upper_writable = false;  // by all levels but the last
};

// Translates with the checks of `privilege` and sets A (and D for a write). False: #PF in cpu.fault.
// path: where wanted, of a translation that succeeded; empty while paging is off.
bool translate(Cpu& cpu, u64 linear, Access access, Privilege privilege, Translation& out,
               WalkPath* path = nullptr);

// Where an access of this CPU goes: in SMM, SMRAM has an address of its own.
Gpa smram_view(const Cpu& cpu, u64 physical, Access access);

}  // namespace tandem::mmu
