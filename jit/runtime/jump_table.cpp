#include "jit/runtime/jump_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "core/base/bits.h"

namespace tandem::jit {

namespace {

void* map_at(u64 address, u64 bytes) {
  void* p = mmap(reinterpret_cast<void*>(address), bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

// The nearest free place, in steps.
void* map_near(u64 near, u64 bytes) {
  constexpr u64 kStep = 1 * MiB, kReach = 2000 * MiB;
  const u64 start = align_down(near, kStep);
  for (u64 distance = kStep; distance < kReach; distance += kStep) {
    if (void* p = map_at(start - distance, bytes)) return p;
    if (void* p = map_at(start + distance, bytes)) return p;
  }
  return nullptr;
}

}  // namespace

Result<JumpTable> JumpTable::create(const u8* miss, const void* near) {
  void* p = map_near(reinterpret_cast<u64>(near), kEntries * 8);
  if (!p) return host_error("jump table: no room within 2 GiB of the CPU state");
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
  if (entries_) munmap(entries_, kEntries * 8);
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
