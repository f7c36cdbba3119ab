#include "jit/runtime/link_cells.h"

#include <utility>

namespace tandem::jit {

namespace {
constexpr u64 kBytes = LinkCells::kCells * sizeof(u64);
}  // namespace

Result<LinkCells> LinkCells::create() {
  void* p = map_low_memory(kBytes);
  if (!p) return host_error("cells of links: no room below 2 GiB");
  return LinkCells(static_cast<u64*>(p));
}

LinkCells::LinkCells(LinkCells&& other) noexcept
    : cells_(std::exchange(other.cells_, nullptr)),
      used_(other.used_),
      set_(std::move(other.set_)),
      pages_(other.pages_) {}

LinkCells::~LinkCells() {
  if (cells_) unmap_low_memory(cells_, kBytes);
}

u64* LinkCells::next() {
  if (used_ == kCells) return nullptr;
  u64* const cell = &cells_[used_++];
  *cell = kNowhere;
  return cell;
}

void LinkCells::set(u64& cell, u64 from, u64 to) {
  if (cell == from) return;
  if (set_.size() == kCells) forget();
  cell = from;
  set_.push_back({&cell, to});
  pages_.add(to);
}

void LinkCells::forget() {
  for (const Set& s : set_) *s.cell = kNowhere;
  set_.clear();
  pages_.clear();
}

void LinkCells::forget(u64 page) {
  if (!pages_.may_contain(page)) return;
  for (const Set& s : set_)
    if (s.to == page) *s.cell = kNowhere;
  std::erase_if(set_, [&](const Set& s) { return s.to == page; });
}

void LinkCells::clear() {
  set_.clear();
  pages_.clear();
  used_ = 0;
}

}  // namespace tandem::jit
