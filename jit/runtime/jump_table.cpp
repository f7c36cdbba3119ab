#include "jit/runtime/jump_table.h"

#include <algorithm>
#include <utility>

#include "core/base/low_memory.h"

namespace tandem::jit {

Result<JumpTable> JumpTable::create(const u8* miss) {
  void* p = map_low_memory(kEntries * 8);
  if (!p) return host_error("jump table: no room below 2 GiB");
  JumpTable table(static_cast<u64*>(p), miss);
  std::fill_n(table.entries_, kEntries, table.miss_);
  return table;
}

JumpTable::JumpTable(JumpTable&& other) noexcept
    : entries_(std::exchange(other.entries_, nullptr)),
      miss_(other.miss_),
      local_(std::move(other.local_)),
      global_(std::move(other.global_)) {}

JumpTable::~JumpTable() {
  if (entries_) unmap_low_memory(entries_, kEntries * 8);
}

void JumpTable::set(u64 rip, const u8* code, bool global) {
  u64& entry = entries_[rip & (kEntries - 1)];
  if (entry == reinterpret_cast<u64>(code)) return;
  std::vector<u16>& list = global ? global_ : local_;
  if (list.size() == kEntries) clear_list(list);
  entry = reinterpret_cast<u64>(code);
  list.push_back(static_cast<u16>(rip));
}

void JumpTable::clear_list(std::vector<u16>& list) {
  for (const u16 i : list) entries_[i] = miss_;
  list.clear();
}

void JumpTable::remove(u64 rip, const u8* code) {
  u64& entry = entries_[rip & (kEntries - 1)];
  if (entry == reinterpret_cast<u64>(code)) entry = miss_;
}

void JumpTable::clear() {
  clear_list(local_);
  clear_list(global_);
}

void JumpTable::clear_local() { clear_list(local_); }

}  // namespace tandem::jit
