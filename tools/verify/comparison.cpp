#include "tools/verify/comparison.h"

#include "tools/verify/page_tables.h"

namespace tandem::verify {

namespace {

using states::StateField;

constexpr std::size_t kKept = 32;

// Copies of flags as they lie in registers (AH, R11) and in stack frames of 16, 32 and 64 bits.
u64 in_register(u64 flags) { return flags | (flags & 0xff) << 8; }
u64 in_memory(u64 flags) { return flags * 0x0001000100010001; }

bool is_engine_business(const StateField& field) {
  return field.name.starts_with("lapic.") || field.name == "interrupt_shadow_sti";
}

class PageTables {
 public:
  PageTables(const mem::GuestMemory& memory, const cpu::CpuState& start, const cpu::CpuState& end)
      : memory_(memory), start_(start), end_(end) {}

  bool contain(u64 page) {
    if (!known_) pages_ = page_tables_of(memory_, start_);
    if (!known_ && end_.cr3 != start_.cr3) pages_.merge(page_tables_of(memory_, end_));
    known_ = true;
    return pages_.contains(page);
  }

 private:
  const mem::GuestMemory& memory_;
  const cpu::CpuState &start_, &end_;
  bool known_ = false;
  std::unordered_set<u64> pages_;
};

}  // namespace

Comparison compare(const Excursion& excursion, const Pages& written, const cpu::CpuState& start,
                   const cpu::CpuState& end, const mem::GuestMemory& memory) {
  Comparison out;
  const cpu::CpuState& other = excursion.end;
  out.fields = states::changed_fields(other, end, [&](const StateField& field) {
    if (is_engine_business(field)) return true;
    const u64 open = field.name == "rflags" ? excursion.undefined : in_register(excursion.copied);
    return open && states::differ_only_in(open, field, other, end);
  });
  PageTables tables(memory, start, end);
  for (const auto& [page, bytes] : written)
    states::for_changed_words(bytes.data(), memory.base() + page * kPageSize, [&](u64 at, u64 x, u64 y) {
      constexpr u64 kAccessedDirty = 0x6000000060;  // of one entry of 8 bytes or two of 4
      if (!((x ^ y) & ~in_memory(excursion.copied))) return;
      if (!((x ^ y) & ~kAccessedDirty) && tables.contain(page)) return;
      ++out.words;
      if (out.memory.size() < kKept)
        out.memory.push_back({states::address_of(memory, page * kPageSize + at), x, y});
    });
  return out;
}

}  // namespace tandem::verify
