// From which page each link across pages may be gone by, in the present mappings: one number a link, at an
// address that code names.
#pragma once

#include <vector>

#include "core/base/low_memory.h"
#include "core/base/result.h"
#include "core/base/types.h"
#include "core/mmu/page_filter.h"

namespace tandem::jit {

class LinkCells {
 public:
  static constexpr u64 kCells = 1 << 17;
  static constexpr u64 kNowhere = ~u64{0};  // no page

  static Result<LinkCells> create();
  LinkCells(LinkCells&& other) noexcept;
  LinkCells& operator=(LinkCells&&) = delete;
  ~LinkCells();

  // A new one, which holds kNowhere; null: there is none left.
  u64* next();
  // from: the page that the link leads from, to `to`.
  void set(u64& cell, u64 from, u64 to);
  // Mappings have changed, or this page's alone: what leads there holds kNowhere.
  void forget();
  void forget(u64 page);
  // There are no links any more.
  void clear();

 private:
  explicit LinkCells(u64* cells) : cells_(cells) {}

  struct Set {
    u64* cell;
    u64 to;
  };

  u64* cells_;
  u64 used_ = 0;
  std::vector<Set> set_;
  mmu::PageFilter pages_;  // that links lead to
};

}  // namespace tandem::jit
