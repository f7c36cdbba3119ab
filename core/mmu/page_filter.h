// A set of linear pages of one size that may say yes for one that was not added.
#pragma once

#include <array>

#include "core/base/types.h"

namespace tandem::mmu {

template <unsigned Shift>
class RegionFilter {
 public:
  void add(u64 linear) { bits_[slot(linear) / 64] |= u64{1} << slot(linear) % 64; }
  bool may_contain(u64 linear) const { return bits_[slot(linear) / 64] >> slot(linear) % 64 & 1; }
  void clear() { bits_.fill(0); }

 private:
  static constexpr unsigned kBits = 1 << 14;
  static unsigned slot(u64 linear) {
    return static_cast<unsigned>((linear >> Shift) * 0x9e3779b97f4a7c15 >> 50);
  }
  std::array<u64, kBits / 64> bits_{};
};

using PageFilter = RegionFilter<kPageShift>;

// The same of pages that are mapped, apart by whether their mapping is a global one.
class MappedPages {
 public:
  void add(u64 linear, bool global) { (global ? global_ : local_).add(linear); }
  bool may_contain(u64 linear) const { return local_.may_contain(linear) || global_.may_contain(linear); }
  void clear_local() { local_.clear(); }
  void clear() {
    local_.clear();
    global_.clear();
  }

 private:
  PageFilter local_, global_;
};

}  // namespace tandem::mmu
