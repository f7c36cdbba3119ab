#include "jit/runtime/jump_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace tandem::jit {

Result<JumpTable> JumpTable::create(const u8* miss) {
  void* p =
      mmap(nullptr, kEntries * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (p == MAP_FAILED) return host_error(std::string("jump table: mmap: ") + std::strerror(errno));
  JumpTable table(static_cast<u64*>(p), miss);
  std::fill_n(table.entries_, kEntries, table.miss_);
  return table;
}

JumpTable::JumpTable(JumpTable&& other) noexcept
    : entries_(std::exchange(other.entries_, nullptr)),
      miss_(other.miss_),
      filled_(std::move(other.filled_)) {}

JumpTable::~JumpTable() {
  if (entries_) munmap(entries_, kEntries * 8);
}

void JumpTable::set(u64 rip, const u8* code) {
  u64& entry = entries_[rip & (kEntries - 1)];
  if (entry == miss_) filled_.push_back(static_cast<u16>(rip));
  entry = reinterpret_cast<u64>(code);
}

void JumpTable::remove(u64 rip, const u8* code) {
  u64& entry = entries_[rip & (kEntries - 1)];
  if (entry == reinterpret_cast<u64>(code)) entry = miss_;
}

void JumpTable::clear() {
  for (const u16 i : filled_) entries_[i] = miss_;
  filled_.clear();
}

}  // namespace tandem::jit
