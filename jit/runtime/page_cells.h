// For which generation of mappings a page of code was last found where its translations have it: one number
// for a page at an address, at a place that they name.
#pragma once

#include <unordered_map>
#include <vector>

#include "core/base/low_memory.h"
#include "core/base/result.h"

namespace tandem::jit {

class PageCells {
 public:
  static constexpr u64 kCells = 1 << 16;

  static Result<PageCells> create();
  PageCells(PageCells&& other) noexcept;
  PageCells& operator=(PageCells&&) = delete;
  ~PageCells();

  // Of this physical page at this address, by global or other entries of page tables.
  u64& of(u64 page, u64 physical, bool global);
  // One of its own for a block that begins in this page and ends in the next.
  u64& of_crossing(u64 page);
  bool has_room() const { return used_ < kCells; }
  // Forgets what was found at this address.
  void invalidate(u64 page);
  void invalidate_all();
  void clear();

 private:
  explicit PageCells(u64* cells) : cells_(cells) {}
  u64& next();

  struct Cell {
    u64 physical;
    bool global;
    u64* cell;
  };

  u64* cells_;
  u64 used_ = 0;
  std::unordered_map<u64, std::vector<Cell>> by_page_;
  std::unordered_map<u64, std::vector<u64*>> crossing_;  // by the first page
};

}  // namespace tandem::jit
