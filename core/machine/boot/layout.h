// Where boot data goes: RAM of the memory map that nothing occupies yet.
#pragma once

#include <span>
#include <vector>

#include "core/base/result.h"
#include "core/machine/boot/memory_range.h"
#include "core/mem/guest_memory.h"

namespace tandem::machine {

class Layout {
 public:
  Layout(mem::GuestMemory& memory, std::span<const MemoryRange> map);

  // Takes [start, start + length). Error: no RAM there, or taken already.
  Result<void> reserve(u64 start, u64 length);
  // The highest free place that ends at or below `end`; taken then. align: a power of two.
  Result<u64> allocate(u64 length, u64 align, u64 end);
  // The lowest free place at or above `start` that ends at or below `end`.
  Result<u64> allocate_above(u64 start, u64 length, u64 align, u64 end);
  // allocate() and copy.
  Result<u64> put(std::span<const u8> bytes, u64 align, u64 end);

  mem::GuestMemory& memory() { return memory_; }
  std::span<const MemoryRange> map() const { return map_; }

 private:
  bool is_free(u64 start, u64 length) const;

  struct Piece {
    u64 start, end;
  };
  mem::GuestMemory& memory_;
  std::vector<MemoryRange> map_;
  std::vector<Piece> taken_;
};

}  // namespace tandem::machine
