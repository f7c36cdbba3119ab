// A region of a guest's linear addresses in the host's: pages of guest memory where the guest has them,
// nothing elsewhere. Code may use any address of the region, and some beyond, without a check.
#pragma once

#include <optional>

#include "core/interp/upper_tier.h"

namespace tandem::jit {

class Window {
 public:
  static constexpr u64 kBytes = u64{1} << interp::TierFrame::kRegionShift;
  // On either side: an operand's displacement, and an index that is small (base/small_values.h), times eight,
  // lead from one address in the region to another without a check.
  static constexpr u64 kGuard = 128 * GiB;

  static constexpr u64 key_of(u64 linear) { return linear >> interp::TierFrame::kRegionShift; }

  // Takes host addresses, no memory. Nothing: the host has no room, or not there.
  static std::optional<Window> reserve(u64 key);
  static std::optional<Window> reserve_with(u64 key, u64 addend);
  Window(Window&& other) noexcept;
  Window& operator=(Window&&) = delete;
  ~Window();

  u64 key() const { return key_; }
  u64 addend() const { return host_ - (key_ << interp::TierFrame::kRegionShift); }
  bool has_host(u64 address) const { return address - host_ < kBytes; }

  // Whole pages within the region; memory: of the guest's memfd from `offset`. False: the host refused.
  bool map(u64 linear, u64 length, int memory, u64 offset, bool writable);
  bool unmap(u64 linear, u64 length);  // false: the host refused, and something may be there still
  void unmap_all();

 private:
  Window(u64 key, u64 host) : key_(key), host_(host) {}
  void* at(u64 linear) const { return reinterpret_cast<void*>(linear + addend()); }

  u64 key_;
  u64 host_;  // of the region's first byte
};

}  // namespace tandem::jit
