#include "tools/verify/page_tables.h"

#include "core/base/bits.h"

namespace tandem::verify {

namespace {

using cpu::CpuState;

constexpr u64 kPresent = 1, kLarge = 0x80;

class Collector {
 public:
  Collector(const mem::GuestMemory& memory, bool wide) : memory_(memory), wide_(wide) {}

  // The table at `physical`, and those below it, so many levels in all.
  void add(u64 physical, unsigned levels, u64 entries) {
    const u8* host = memory_.host(Gpa{physical});
    if (!host) return;
    if (!found_.insert(static_cast<u64>(host - memory_.base()) >> kPageShift).second || levels == 1) return;
    for (u64 i = 0; i < entries; ++i) {
      const u64 entry = wide_ ? load_le<u64>(host + 8 * i) : load_le<u32>(host + 4 * i);
      // Only in the two lowest tables does this bit name a page of memory.
      if (!(entry & kPresent) || ((entry & kLarge) && levels <= 3)) continue;
      add(entry & (wide_ ? u64{0x000ffffffffff000} : u64{0xfffff000}), levels - 1, wide_ ? 512 : 1024);
    }
  }
  std::unordered_set<u64> take() { return std::move(found_); }

 private:
  const mem::GuestMemory& memory_;
  bool wide_;  // entries of 8 bytes
  std::unordered_set<u64> found_;
};

}  // namespace

std::unordered_set<u64> page_tables_of(const mem::GuestMemory& memory, const CpuState& s) {
  if (!(s.cr0 & cpu::kCr0Pg)) return {};
  const bool wide = s.cr4 & cpu::kCr4Pae;
  Collector collector(memory, wide);
  if (s.efer & cpu::kEferLma) collector.add(s.cr3 & 0x000ffffffffff000, 4, 512);
  else if (!wide) collector.add(s.cr3 & 0xfffff000, 2, 1024);
  else
    for (const u64 pdpte : s.pdpte)
      if (pdpte & kPresent) collector.add(pdpte & 0x000ffffffffff000, 2, 512);
  return collector.take();
}

}  // namespace tandem::verify
