// Guest memory by linear address: the soft-TLB fast path inline, everything else in access.cpp.
// All functions return false with cpu.fault set when the guest faults; then nothing was written.
#pragma once

#include <cstring>

#include "core/base/bits.h"
#include "core/cpu/cpu.h"

namespace tandem::mmu {

using cpu::Cpu;

enum class Access : u8 { Read, Write, Fetch };

// Any length; splits at pages, goes to the bus for MMIO. Writes check all pages before the first byte.
bool read_slow(Cpu& cpu, u64 linear, void* to, unsigned size);
bool write_slow(Cpu& cpu, u64 linear, const void* from, unsigned size);

template <class T>
inline u8* hit(const TlbEntry* table, u64 linear) {
  const TlbEntry& e = table[tlb_index(linear)];
  if (e.tag == ((linear + sizeof(T) - 1) & ~kPageMask)) [[likely]]
    return reinterpret_cast<u8*>(linear + e.addend);
  return nullptr;
}

// The same for any span in the page of linear.
inline u8* hit_page(const TlbEntry* table, u64 linear) {
  const TlbEntry& e = table[tlb_index(linear)];
  return e.tag == (linear & ~kPageMask) ? reinterpret_cast<u8*>(linear + e.addend) : nullptr;
}

template <class T>
[[nodiscard]] inline bool read(Cpu& cpu, u64 linear, T& value) {
  if (const u8* p = hit<T>(cpu.bank->read, linear)) [[likely]] {
    value = load_le<T>(p);
    return true;
  }
  return read_slow(cpu, linear, &value, sizeof(T));
}

template <class T>
[[nodiscard]] inline bool write(Cpu& cpu, u64 linear, T value) {
  if (u8* p = hit<T>(cpu.bank->write, linear)) [[likely]] {
    store_le<T>(p, value);
    return true;
  }
  return write_slow(cpu, linear, &value, sizeof(T));
}

[[nodiscard]] inline bool read_bytes(Cpu& cpu, u64 linear, void* to, unsigned size) {
  return read_slow(cpu, linear, to, size);
}
[[nodiscard]] inline bool write_bytes(Cpu& cpu, u64 linear, const void* from, unsigned size) {
  return write_slow(cpu, linear, from, size);
}

// Host address of a span that lies in one page of plain RAM, for both reading and writing, or null where only
// the slow functions will do (MMIO, page crossing, code, watched). False: fault.
bool host_span(Cpu& cpu, u64 linear, unsigned size, Access access, u8*& host);
bool host_for_write(Cpu& cpu, u64 linear, unsigned size, u8*& host);
bool host_for_read(Cpu& cpu, u64 linear, unsigned size, const u8*& host);
// Would a write of size bytes be allowed? Faults as the write would, changes nothing but A/D bits.
[[nodiscard]] bool probe_write(Cpu& cpu, u64 linear, unsigned size);

// For read-modify-write where host_for_write gave null: host is set where the whole operand lies in one page
// of RAM (which holds code or is watched); finish_update tells of the write. Null host: write access was
// probed.
struct UpdateTarget {
  u8* host = nullptr;
  u64 physical = 0, linear = 0;
  unsigned size = 0;
};
[[nodiscard]] bool locate_update(Cpu& cpu, u64 linear, unsigned size, UpdateTarget& out);
void finish_update(Cpu& cpu, const UpdateTarget& target);

// Accesses with supervisor privilege whatever the CPL: descriptor tables, TSS, IDT.
bool read_system(Cpu& cpu, u64 linear, void* to, unsigned size);
bool write_system(Cpu& cpu, u64 linear, const void* from, unsigned size);

// Where the next instruction's bytes are: guest physical address of one byte of code. False: fault (#PF).
// global: where wanted, whether the page stays over a load of CR3.
bool translate_fetch(Cpu& cpu, u64 linear, Gpa& physical, bool* global = nullptr);

// Drop cached translations of the vCPU: all, all but global ones (CR3), or those of one page.
void flush_all(Cpu& cpu);
void flush_local(Cpu& cpu);
void flush_page(Cpu& cpu, u64 linear);

}  // namespace tandem::mmu
