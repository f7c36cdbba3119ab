#include "jit/runtime/jump_table.h"

#include <algorithm>
#include <utility>

#include "core/base/low_memory.h"

namespace tandem::jit {

namespace {
constexpr u64 kBytes = 2 * JumpTable::kEntries * 8;
constexpr u64 kNowhere = u64{1} << 63;  // no canonical address
}  // namespace

Result<JumpTable> JumpTable::create(const u8* miss) {
  void* p = map_low_memory(kBytes);
  if (!p) return host_error("jump table: no room below 2 GiB");
  JumpTable table(static_cast<u64*>(p), miss);
  std::fill_n(table.entries_, kEntries, table.miss_);
  std::fill_n(table.entries_ + kEntries, kEntries, kNowhere);
  return table;
}

JumpTable::JumpTable(JumpTable&& other) noexcept
    : entries_(std::exchange(other.entries_, nullptr)),
      miss_(other.miss_),
      local_(std::move(other.local_)),
      global_(std::move(other.global_)),
      crossing_(std::move(other.crossing_)),
      pages_(other.pages_) {}

JumpTable::~JumpTable() {
  if (entries_) unmap_low_memory(entries_, kBytes);
}

void JumpTable::set(u64 rip, const u8* code, bool global, bool crosses) {
  const u64 i = rip & (kEntries - 1);
  if (entries_[i] == reinterpret_cast<u64>(code) && entries_[kEntries + i] == rip) return;
  std::vector<u16>& list = global ? global_ : local_;
  if (list.size() == kEntries) clear_list(list);
  if (crossing_.size() == kEntries) clear();  // blocks that take each other's entry come again and again
  entries_[i] = reinterpret_cast<u64>(code);
  entries_[kEntries + i] = rip;
  list.push_back(static_cast<u16>(i));
  pages_.add(rip, global);
  if (!crosses) return;
  crossing_.push_back(rip);
  pages_.add(rip + kPageSize, global);
}

void JumpTable::clear_entry(u64 entry) {
  entries_[entry] = miss_;
  entries_[kEntries + entry] = kNowhere;
}

void JumpTable::remove_page(u64 page) {
  if (!pages_.may_contain(page)) return;
  const u64 first = page & (kEntries - 1);
  for (u64 i = first; i < first + kPageSize; ++i)
    if ((entries_[kEntries + i] & ~kPageMask) == page) clear_entry(i);
  std::erase_if(crossing_, [&](u64 rip) {
    const bool ends_there = (rip & ~kPageMask) + kPageSize == page;
    if (ends_there && find(rip)) clear_entry(rip & (kEntries - 1));
    return ends_there;
  });
}

void JumpTable::clear_list(std::vector<u16>& list) {
  for (const u16 i : list) clear_entry(i);
  list.clear();
}

void JumpTable::clear() {
  clear_list(local_);
  clear_list(global_);
  crossing_.clear();
  pages_.clear();
}

void JumpTable::clear_local() {
  clear_list(local_);
  pages_.clear_local();
  std::erase_if(crossing_, [&](u64 rip) { return !find(rip); });
}

}  // namespace tandem::jit
