#include "jit/runtime/page_cells.h"

#include <algorithm>
#include <utility>

#include "core/base/assert.h"

namespace tandem::jit {

namespace {
constexpr u64 kBytes = PageCells::kCells * sizeof(u64);
constexpr u64 kNever = ~u64{0};
}  // namespace

Result<PageCells> PageCells::create() {
  void* p = map_low_memory(kBytes);
  if (!p) return host_error("cells of code pages: no room below 2 GiB");
  return PageCells(static_cast<u64*>(p));
}

PageCells::PageCells(PageCells&& other) noexcept
    : cells_(std::exchange(other.cells_, nullptr)),
      used_(other.used_),
      by_page_(std::move(other.by_page_)),
      crossing_(std::move(other.crossing_)) {}

PageCells::~PageCells() {
  if (cells_) unmap_low_memory(cells_, kBytes);
}

u64& PageCells::next() {
  ensure(has_room(), "room was kept for a cell");
  u64& cell = cells_[used_++];
  cell = kNever;
  return cell;
}

u64& PageCells::of(u64 page, u64 physical, bool global) {
  std::vector<Cell>& cells = by_page_[page];
  for (const Cell& c : cells)
    if (c.physical == physical && c.global == global) return *c.cell;
  return *cells.emplace_back(Cell{physical, global, &next()}).cell;
}

u64& PageCells::of_crossing(u64 page) {
  u64& cell = next();
  crossing_[page].push_back(&cell);
  return cell;
}

void PageCells::invalidate(u64 page) {
  if (const auto it = by_page_.find(page); it != by_page_.end())
    for (const Cell& c : it->second) *c.cell = kNever;
  for (const u64 first : {page, page - kPageSize})
    if (const auto it = crossing_.find(first); it != crossing_.end())
      for (u64* cell : it->second) *cell = kNever;
}

void PageCells::invalidate_all() { std::fill_n(cells_, used_, kNever); }

void PageCells::clear() {
  used_ = 0;
  by_page_.clear();
  crossing_.clear();
}

}  // namespace tandem::jit
