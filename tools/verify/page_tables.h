// Which pages of physical memory hold the paging structures of an address space.
#pragma once

#include <unordered_set>

#include "core/cpu/cpu_state.h"
#include "core/mem/guest_memory.h"

namespace tandem::verify {

// By page number of the memfd. Empty where paging is off.
std::unordered_set<u64> page_tables_of(const mem::GuestMemory& memory, const cpu::CpuState& state);

}  // namespace tandem::verify
