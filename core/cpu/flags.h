// Arithmetic flags kept as the operands of a formula instead of as bits: two stores an instruction,
// and only what is read later is computed.
#pragma once

#include <bit>
#include <type_traits>

#include "core/base/types.h"
#include "core/cpu/cpu_state.h"

namespace tandem::cpu {

// result:  the result, sign-extended to 64 bits.
// carries: bit 63 the carry (borrow) out of the top bit, bit 62 the carry into it, bit 3 the carry out of bit
// 3;
//          bits 8..15 are XORed into the byte whose parity is taken, bit 0 into the sign.
// CF = c63, OF = c63 ^ c62, AF = c3, ZF = result == 0, SF = result < 0 ^ c0, PF = even parity.
struct LazyFlags {
  i64 result = 1;
  u64 carries = 0;

  bool cf() const { return carries >> 63; }
  bool of() const { return ((carries >> 63) ^ (carries >> 62)) & 1; }
  bool af() const { return (carries >> 3) & 1; }
  bool zf() const { return result == 0; }
  bool sf() const { return static_cast<u64>(result) >> 63 ^ (carries & 1); }
  bool pf() const {
    return (std::popcount(static_cast<u8>(result ^ static_cast<i64>(carries >> 8))) & 1) == 0;
  }

  u64 rflags() const {
    return (cf() ? kCf : 0) | (pf() ? kPf : 0) | (af() ? kAf : 0) | (zf() ? kZf : 0) | (sf() ? kSf : 0) |
           (of() ? kOf : 0);
  }
  void set_rflags(u64 f) {
    const bool want_cf = f & kCf, want_of = f & kOf;
    result = (f & kZf) ? 0 : 1;
    carries = (want_cf ? u64{1} << 63 : 0) | ((want_cf != want_of) ? u64{1} << 62 : 0) | ((f & kAf) ? 8 : 0) |
              ((f & kSf) ? 1 : 0);
    // 0 has even parity, 1 odd: flip where that is not what is wanted.
    const bool even = result == 0;
    if (even != ((f & kPf) != 0)) carries |= 1u << 8;
  }
  void set_cf(bool on) {
    if (on != cf()) carries ^= u64{3} << 62;  // both bits: OF stays
  }
  void set_of(bool on) {
    if (on != of()) carries ^= u64{1} << 62;
  }

  template <class T>
  void set_result(T r) {
    result = static_cast<i64>(static_cast<std::make_signed_t<T>>(r));
  }
  // Carry vector of an addition or subtraction in T, moved so that its top bit is bit 63, AF kept at bit 3.
  template <class T>
  void set_carries(T vector) {
    constexpr unsigned width = sizeof(T) * 8;
    if constexpr (width == 64) carries = vector & (u64{3} << 62 | 8);
    else carries = (static_cast<u64>(vector) << (64 - width) & (u64{3} << 62)) | (vector & 8);
  }
};

}  // namespace tandem::cpu
