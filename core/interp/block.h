// Decoded blocks of the interpreter and the cache that finds them. Private to one vCPU.
#pragma once

#include <memory_resource>
#include <unordered_map>
#include <vector>

#include "core/cpu/cpu.h"
#include "core/interp/upper_tier.h"
#include "core/isa/insn.h"

namespace tandem::interp {

// What besides the bytes decides how they decode and run.
struct BlockKey {
  u64 physical = 0;  // of the first byte
  u32 mode = 0;      // mode_bits(), and a bit for blocks of one instruction

  bool operator==(const BlockKey&) const = default;
};

inline constexpr u32 kCodeSize = 15;  // of mode_bits(): bytes

// code size, protected mode, CPL 3 (privileged instructions are checked at run time), vm86
inline u32 mode_bits(const cpu::Mode& m) {
  return m.code_size | m.stack_size << 4 | m.cpl << 8 | m.protected_mode << 10 | m.vm86 << 11 |
         m.long_mode << 12;
}

struct Block {
  Block() = default;
  // memory: of its instructions and bytes.
  explicit Block(std::pmr::memory_resource* memory) : insns(memory), code(memory) {}

  BlockKey key;
  u64 second_page = ~u64{0};  // physical page of the last byte where that is another one
  u32 bytes = 0;
  u32 count = 0;                      // instructions
  u32 runs_left = ~u32{0};            // before the tier above is asked for it
  bool valid = true;                  // its code was not written to
  void* upper = nullptr;              // what that tier knows of it
  Block* links[2] = {};               // next block: fallen through or not taken, taken. Only within one page.
  std::pmr::vector<isa::Insn> insns;  // count of them, and one behind them that ends the block
  // What they were decoded from. Guest memory may be something else by now: it is read once.
  std::pmr::vector<u8> code;

  bool crosses() const { return second_page != ~u64{0}; }
};

// Makes `to` the successor of `from`, where one mapping and one mode hold for both.
inline void link(Block* from, unsigned slot, Block* to) {
  if (from->key.mode == to->key.mode && !from->crosses() && !to->crosses() &&
      (from->key.physical ^ to->key.physical) < kPageSize)
    from->links[slot] = to;
}

struct BlockKeyHash {
  std::size_t operator()(const BlockKey& k) const { return (k.physical * 0x9e3779b97f4a7c15) ^ k.mode; }
};

class BlockCache {
 public:
  // tier: told of blocks that are dropped; may be null.
  void set_tier(UpperTier* tier) { tier_ = tier; }
  Block* find(const BlockKey& key) {
    Block*& recent = recent_of(key);
    if (recent && recent->key == key) return recent;
    const auto it = blocks_.find(key);
    return it == blocks_.end() ? nullptr : recent = it->second;
  }
  // One for add(), which stays until clear().
  Block& make();
  Block* add(Block& block);
  // Drops blocks that overlap [start, start + length). Their instructions get `stale` as handler, so that
  // running code leaves them at its next instruction; memory is kept until clear(). Returns whether the page
  // has others. After kPatience writes to a page that overlap none of its blocks, all of them go: mostly they
  // are left over from a program that had the page before, and each such write takes the slow path. Where
  // they come back, twice as many writes have to be taken before they go again.
  bool invalidate(u64 start, u64 length, const void* stale);
  // The same at this offset of every page.
  void invalidate_everywhere(u64 page_offset, const void* stale);
  bool has_page(u64 page) const { return pages_.contains(page); }
  void clear();
  std::size_t stored_insns() const { return stored_insns_; }

  static constexpr u32 kPatience = 256, kMostPatience = 1 << 14;

 private:
  struct Page {
    std::vector<Block*> blocks;
    u32 beside = 0;  // writes that overlapped none of them
  };

  // What was found last among keys of the same hash: the map costs several cache misses.
  Block*& recent_of(const BlockKey& key) { return recent_[BlockKeyHash{}(key) >> 48 & (kRecent - 1)]; }
  void index(u64 page, Block* block) { pages_[page].blocks.push_back(block); }
  bool is_patient(u64 page, Page& p);
  void forget(Block* block, const void* stale);

  static constexpr std::size_t kRecent = 16384, kFirstMemory = 256 * KiB;

  std::unordered_map<BlockKey, Block*, BlockKeyHash> blocks_;
  std::vector<Block*> recent_ = std::vector<Block*>(kRecent);
  std::unordered_map<u64, Page> pages_;    // by physical page number
  std::unordered_map<u64, u32> patience_;  // of pages whose blocks have gone by it
  // Blocks lie one behind the other with what belongs to them, and go all at once.
  std::pmr::monotonic_buffer_resource memory_{kFirstMemory};
  std::size_t stored_insns_ = 0;
  UpperTier* tier_ = nullptr;
};

}  // namespace tandem::interp
