// Whether a sample ended as the excursion did that was made for it.
#pragma once

#include <vector>

#include "tools/states/difference.h"
#include "tools/verify/excursion.h"

namespace tandem::verify {

struct Comparison {
  std::vector<states::Change> fields;  // first the excursion's, then the sample's
  std::vector<states::MemoryChange> memory;
  u64 words = 0;  // how many in all

  bool equal() const { return fields.empty() && words == 0; }
};

// Compares the CPU, and of memory what the excursion wrote. Not held against either: flags that are
// undefined; accessed and dirty bits of page tables, which a CPU may set earlier than another; the shadow of
// STI, which is let go where nothing waits. written: by the excursion, as it left them.
Comparison compare(const Excursion& excursion, const Pages& written, const cpu::CpuState& start,
                   const cpu::CpuState& end, const mem::GuestMemory& memory);

}  // namespace tandem::verify
