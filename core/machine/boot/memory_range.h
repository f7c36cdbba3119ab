// One row of the physical memory map, as firmware gives it (INT 15h, E820).
#pragma once

#include "core/base/types.h"

namespace tandem::machine {

enum class MemoryKind : u32 { Ram = 1, Reserved = 2, AcpiReclaim = 3, AcpiNvs = 4 };  // E820 types

struct MemoryRange {
  Gpa start;
  u64 length;
  MemoryKind kind;
};

}  // namespace tandem::machine
