#include "devices/board/memory_map.h"

#include <algorithm>

namespace tandem::devices {

std::vector<MemoryRange> memory_map(const mem::GuestMemory& memory) {
  const u64 low = memory.low_size();
  std::vector<MemoryRange> map = {{Gpa{0}, std::min(kLowRamEnd, low), MemoryKind::Ram}};
  if (low > kLowRamEnd) map.push_back({Gpa{kLowRamEnd}, 0xa0000 - kLowRamEnd, MemoryKind::Reserved});
  map.push_back({Gpa{kAcpiTables}, kAcpiTablesEnd - kAcpiTables, MemoryKind::Reserved});
  if (low > MiB) map.push_back({Gpa{MiB}, low - MiB, MemoryKind::Ram});
  map.push_back({Gpa{kIoapicBase}, 0x1000, MemoryKind::Reserved});
  map.push_back({Gpa{kLapicBase}, 0x1000, MemoryKind::Reserved});
  if (memory.high_size()) map.push_back({Gpa{mem::kHighRamStart}, memory.high_size(), MemoryKind::Ram});
  return map;
}

}  // namespace tandem::devices
