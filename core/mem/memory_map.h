// MemoryMap: which physical addresses beside main RAM lead to memory: the legacy window below 1 MiB, whose 16
// KiB pieces a chipset switches between RAM, ROM and the bus, and regions that are mapped and moved as a
// whole. Lookups come from vCPU threads at any time; changes are seen whole or not at all.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "core/base/types.h"

namespace tandem::mem {

inline constexpr u64 kNoMemory = ~u64{0};
inline constexpr u64 kLegacyStart = 0xa0000, kLegacyEnd = MiB, kLegacyPiece = 16 * KiB;

// What an address leads to: offsets into the memfd, kNoMemory for the bus.
struct Backing {
  u64 read = kNoMemory;
  u64 write = kNoMemory;
  bool operator==(const Backing&) const = default;
};

class MemoryMap {
 public:
  // ram: bytes of main RAM from 0. All of the window that has RAM under it is RAM at first.
  explicit MemoryMap(u64 ram);

  Backing legacy(u64 address) const {
    const Piece& p = pieces_[(address - kLegacyStart) / kLegacyPiece];
    const u64 in = address % kLegacyPiece;
    const u64 r = p.read.load(std::memory_order_relaxed), w = p.write.load(std::memory_order_relaxed);
    return {r == kNoMemory ? r : r + in, w == kNoMemory ? w : w + in};
  }
  // What a region gives for an address outside the window.
  Backing region(u64 address) const;

  // `to` is what the first byte leads to. False: nothing changed.
  bool set_legacy(u64 start, u64 length, Backing to);
  // False: it overlaps another region, the window, or the end of the address space.
  bool add_region(u64 start, u64 length, Backing to);
  // Its length; nothing where no region starts there.
  std::optional<u64> remove_region(u64 start);

  struct Region {
    u64 start, length;
    Backing to;
  };
  std::vector<Region> regions() const;

  // Calls for each address at which the byte at `offset` of the memfd can be read.
  void for_each_address(u64 offset, const std::function<void(u64)>& call) const;

 private:
  struct Piece {
    std::atomic<u64> read = kNoMemory, write = kNoMemory;
  };
  std::array<Piece, (kLegacyEnd - kLegacyStart) / kLegacyPiece> pieces_;
  mutable std::shared_mutex mutex_;  // guards all below
  std::vector<Region> regions_;
};

}  // namespace tandem::mem
