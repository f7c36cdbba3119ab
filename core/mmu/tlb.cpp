#include "core/mmu/tlb.h"

#include "core/base/bits.h"

namespace tandem::mmu {

namespace {
void clear(TlbBank& bank, TlbSet& set) {
  set.for_each([&](unsigned i) { bank.read[i].tag = bank.write[i].tag = TlbEntry::kInvalid; });
  set.clear();
}
}  // namespace

void Tlb::fill(Privilege privilege, u64 linear, u64 addend, bool write, bool global, unsigned page_shift,
               u64 end) {
  TlbBank& bank = banks[static_cast<unsigned>(privilege)];
  const unsigned i = tlb_index(linear);
  (write ? bank.write : bank.read)[i] = {(linear & ~kPageMask) + end - kPageSize, addend};
  bank.filled.add(i);
  if (!global) bank.local.add(i);
  if (page_shift > 22) huge_.add(linear);
  else if (page_shift > kPageShift) large_.add(linear);
}

void Tlb::flush() {
  for (TlbBank& bank : banks) {
    clear(bank, bank.filled);
    bank.local.clear();
  }
  large_.clear();
  huge_.clear();
}

void Tlb::flush_local() {
  for (TlbBank& bank : banks) clear(bank, bank.local);
}

void Tlb::flush_page(u64 linear) {
  const unsigned i = tlb_index(linear);
  for (TlbBank& bank : banks) bank.read[i].tag = bank.write[i].tag = TlbEntry::kInvalid;
}

void Tlb::protect_host_page(const u8* host) {
  const u64 page = reinterpret_cast<u64>(host) & ~kPageMask;
  for (TlbBank& bank : banks)
    bank.filled.for_each([&](unsigned i) {
      TlbEntry& e = bank.write[i];
      if (e.tag != TlbEntry::kInvalid && align_up(e.tag + e.addend, kPageSize) == page)
        e.tag = TlbEntry::kInvalid;
    });
}

}  // namespace tandem::mmu
