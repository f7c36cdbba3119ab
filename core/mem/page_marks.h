// PageMarks: one byte a page of guest RAM, and where code begins in it. Any thread; each mark is a relaxed
// atomic bit.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>

#include "core/base/bits.h"

namespace tandem::mem {

enum PageMark : u8 {
  kDirty = 1,      // written since the last clear: asked for in private views
  kHoldsCode = 2,  // some engine has decoded instructions from it: a write must invalidate them
  kWatched = 4,    // a debugger watches it: no engine may access it on its fast path
};

class PageMarks {
 public:
  explicit PageMarks(u64 page_count)
      : count_(page_count),
        marks_(new std::atomic<u8>[align_up(page_count, kAtOnce)]()),
        code_from_(new std::atomic<u16>[page_count]()) {}

  u64 size() const { return count_; }
  u8 get(u64 page) const { return marks_[page].load(std::memory_order_relaxed); }
  void set(u64 page, PageMark m) { marks_[page].fetch_or(m, std::memory_order_relaxed); }
  void clear(u64 page, PageMark m) { marks_[page].fetch_and(static_cast<u8>(~m), std::memory_order_relaxed); }
  // Of a page that holds code: the offset of its first byte, or less. GuestMemory sets it.
  u16 code_from(u64 page) const { return code_from_[page].load(std::memory_order_relaxed); }
  void set_code_from(u64 page, u16 offset) { code_from_[page].store(offset, std::memory_order_relaxed); }
  // Calls for each page with this mark, in order.
  template <class F>
  void for_each(PageMark m, F call) const {
    for (u64 first = 0; first < count_; first += kAtOnce) {
      // SAFETY: whole words within the array, whose bytes are lock-free atomics.
      const u64 word = __atomic_load_n(reinterpret_cast<const u64*>(&marks_[first]), __ATOMIC_RELAXED);
      if (word == 0) continue;
      for (u64 page = first; page < std::min(first + kAtOnce, count_); ++page)
        if (get(page) & m) call(page);
    }
  }

 private:
  static constexpr u64 kAtOnce = sizeof(u64);
  u64 count_;
  std::unique_ptr<std::atomic<u8>[]> marks_;
  std::unique_ptr<std::atomic<u16>[]> code_from_;
};

}  // namespace tandem::mem
