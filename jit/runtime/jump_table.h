// Where indirect branches, and direct ones to other pages, find their translation: by the low bits of the
// guest rip. One for each mode. An entry leads to a checked entry, or to the code for a miss; beside it is
// the rip that it is for.
#pragma once

#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"
#include "core/mmu/page_filter.h"

namespace tandem::jit {

class JumpTable {
 public:
  static constexpr u64 kEntries = 0x10000;

  // miss: where an empty entry leads. The table lies below 2 GiB.
  static Result<JumpTable> create(const u8* miss);
  JumpTable(JumpTable&& other) noexcept;
  JumpTable& operator=(JumpTable&&) = delete;
  ~JumpTable();

  const u64* entries() const { return entries_; }
  // The rip of entry i is at entries()[kEntries + i].
  const u8* find(u64 rip) const {
    const u64 i = rip & (kEntries - 1);
    return entries_[kEntries + i] == rip ? reinterpret_cast<const u8*>(entries_[i]) : nullptr;
  }
  // global: the entry stays over clear_local(). crosses: the block at rip ends in the next page.
  void set(u64 rip, const u8* code, bool global, bool crosses = false);
  // All entries of the page at this address, and of blocks that end in it.
  void remove_page(u64 page);
  void clear();
  void clear_local();

 private:
  void clear_entry(u64 entry);
  void clear_list(std::vector<u16>& list);

  JumpTable(u64* entries, const u8* miss) : entries_(entries), miss_(reinterpret_cast<u64>(miss)) {}

  u64* entries_;
  u64 miss_;
  std::vector<u16> local_, global_;  // entries that may be filled
  std::vector<u64> crossing_;        // rips of those whose blocks end in the next page
  mmu::MappedPages pages_;           // of the blocks
};

}  // namespace tandem::jit
