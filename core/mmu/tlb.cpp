#include "core/mmu/tlb.h"

namespace tandem::mmu {

namespace {
void clear(TlbBank& bank) {
  for (TlbEntry& e : bank.read) e.tag = kInvalidTag;
  for (TlbEntry& e : bank.write) e.tag = kInvalidTag;
}
}  // namespace

Tlb::Tlb() {
  clear(empty);
  flush();
}

void Tlb::flush() {
  for (TlbBank& bank : banks) clear(bank);
}

void Tlb::flush_page(u64 linear) {
  const unsigned i = tlb_index(linear);
  for (TlbBank& bank : banks) bank.read[i].tag = bank.write[i].tag = kInvalidTag;
}

void Tlb::protect_host_page(const u8* host) {
  const u64 page = reinterpret_cast<u64>(host) & ~kPageMask;
  for (TlbBank& bank : banks)
    for (TlbEntry& e : bank.write)
      if (e.tag != kInvalidTag && e.tag + e.addend == page) e.tag = kInvalidTag;
}

}  // namespace tandem::mmu
