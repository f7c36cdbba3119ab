// Small helpers on bit fields.
#pragma once

#include <concepts>
#include <cstring>
#include <type_traits>

#include "core/base/types.h"

namespace tandem {

constexpr bool bit(u64 value, unsigned n) { return (value >> n) & 1; }
// Bits hi..lo of value, both included, shifted down.
constexpr u64 bits(u64 value, unsigned hi, unsigned lo) {
  return (value >> lo) & (hi - lo == 63 ? ~u64{0} : (u64{1} << (hi - lo + 1)) - 1);
}
// A mask of the n low bits, n in 0..64.
constexpr u64 low_mask(unsigned n) { return n >= 64 ? ~u64{0} : (u64{1} << n) - 1; }
constexpr u64 set_bit(u64 value, unsigned n, bool on) {
  return on ? value | (u64{1} << n) : value & ~(u64{1} << n);
}
constexpr u64 align_down(u64 v, u64 a) { return v & ~(a - 1); }
constexpr u64 align_up(u64 v, u64 a) { return (v + a - 1) & ~(a - 1); }
template <std::signed_integral T>
constexpr i64 sign_extend(T v) {
  return v;
}
constexpr u64 sign_extend_from(u64 v, unsigned width) {
  const unsigned shift = 64 - width;
  return static_cast<u64>(static_cast<i64>(v << shift) >> shift);
}

// Unaligned little-endian access to bytes; the host is x86, as the guest.
template <class T>
T load_le(const void* p) {
  static_assert(std::is_trivially_copyable_v<T>);
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
void store_le(void* p, T v) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(p, &v, sizeof v);
}

// The same for big-endian fields of file formats and SCSI commands.
template <std::unsigned_integral T>
constexpr T byte_swapped(T v) {
  if constexpr (sizeof(T) == 1) return v;
  else if constexpr (sizeof(T) == 2) return __builtin_bswap16(v);
  else if constexpr (sizeof(T) == 4) return __builtin_bswap32(v);
  else return __builtin_bswap64(v);
}
template <std::unsigned_integral T>
T load_be(const void* p) {
  return byte_swapped(load_le<T>(p));
}
template <std::unsigned_integral T>
void store_be(void* p, T v) {
  store_le(p, byte_swapped(v));
}

}  // namespace tandem
