#include "core/mmu/tlb.h"

#include <bit>
#include <iterator>

#include "core/base/bits.h"

namespace tandem::mmu {

namespace {
void clear(TlbBank& bank) {
  for (TlbEntry& e : bank.read) e.tag = kInvalidTag;
  for (TlbEntry& e : bank.write) e.tag = kInvalidTag;
}

void clear_local(TlbBank& bank) {
  for (unsigned word = 0; word < std::size(bank.local); ++word)
    for (u64& bits = bank.local[word]; bits; bits &= bits - 1) {
      const unsigned i = 64 * word + static_cast<unsigned>(std::countr_zero(bits));
      bank.read[i].tag = bank.write[i].tag = kInvalidTag;
    }
}
}  // namespace

Tlb::Tlb() {
  clear(empty);
  flush();
}

void Tlb::fill(Privilege privilege, u64 linear, u64 addend, bool write, bool global, unsigned page_shift,
               u64 end) {
  TlbBank& bank = banks[static_cast<unsigned>(privilege)];
  const unsigned i = tlb_index(linear);
  (write ? bank.write : bank.read)[i] = {(linear & ~kPageMask) + end - kPageSize, addend};
  if (!global) bank.local[i / 64] |= u64{1} << i % 64;
  if (page_shift > 22) huge_.add(linear);
  else if (page_shift > kPageShift) large_.add(linear);
}

void Tlb::flush() {
  for (TlbBank& bank : banks) clear(bank);
  large_.clear();
  huge_.clear();
}

void Tlb::flush_local() {
  for (TlbBank& bank : banks) clear_local(bank);
}

void Tlb::flush_page(u64 linear) {
  const unsigned i = tlb_index(linear);
  for (TlbBank& bank : banks) bank.read[i].tag = bank.write[i].tag = kInvalidTag;
}

void Tlb::protect_host_page(const u8* host) {
  const u64 page = reinterpret_cast<u64>(host) & ~kPageMask;
  for (TlbBank& bank : banks)
    for (TlbEntry& e : bank.write)
      if (e.tag != kInvalidTag && align_up(e.tag + e.addend, kPageSize) == page) e.tag = kInvalidTag;
}

}  // namespace tandem::mmu
