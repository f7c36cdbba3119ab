// The arithmetic of integer instructions: values in, value and flags out. No operands, no memory.
#pragma once

#include "core/cpu/flags.h"

namespace tandem::semantics::alu {

using cpu::LazyFlags;

template <class T>
inline constexpr unsigned kWidth = sizeof(T) * 8;

template <class T>
constexpr bool top_bit(T v) {
  return v >> (kWidth<T> - 1);
}

// CF and OF as given, the rest by the result; AF cleared.
template <class T>
void set_flags(LazyFlags& f, T result, bool cf, bool of) {
  f.set_result(result);
  f.carries = (u64{cf} << 63) | (u64{cf != of} << 62);
}

template <class T>
T add(LazyFlags& f, T a, T b, bool carry = false) {
  const T r = static_cast<T>(a + b + carry);
  f.set_result(r);
  f.set_carries(static_cast<T>((a & b) | ((a | b) & ~r)));
  return r;
}

template <class T>
T sub(LazyFlags& f, T a, T b, bool borrow = false) {
  const T r = static_cast<T>(a - b - borrow);
  f.set_result(r);
  f.set_carries(static_cast<T>((~a & b) | ((~a | b) & r)));
  return r;
}

template <class T>
T logic(LazyFlags& f, T r) {
  f.set_result(r);
  f.carries = 0;
  return r;
}

template <class T>
T inc(LazyFlags& f, T a, bool cf) {
  const T r = add<T>(f, a, 1);
  f.set_cf(cf);
  return r;
}

template <class T>
T dec(LazyFlags& f, T a, bool cf) {
  const T r = sub<T>(f, a, 1);
  f.set_cf(cf);
  return r;
}

// Shift counts arrive masked to 5 bits, or 6 for 64-bit operands; a count of 0 changes nothing.
template <class T>
T shl(LazyFlags& f, T a, unsigned n) {
  if (n == 0) return a;
  const bool cf = n <= kWidth<T> && ((a >> (kWidth<T> - n)) & 1);
  const T r = n < kWidth<T> ? static_cast<T>(a << n) : T{0};
  set_flags(f, r, cf, top_bit(r) != cf);
  return r;
}

template <class T>
T shr(LazyFlags& f, T a, unsigned n) {
  if (n == 0) return a;
  const bool cf = n <= kWidth<T> && ((a >> (n - 1)) & 1);
  const T r = n < kWidth<T> ? static_cast<T>(a >> n) : T{0};
  set_flags(f, r, cf, top_bit(a));
  return r;
}

template <class T>
T sar(LazyFlags& f, T a, unsigned n) {
  if (n == 0) return a;
  const auto s = static_cast<std::make_signed_t<T>>(a);
  const unsigned shift = n < kWidth<T> ? n : kWidth<T> - 1;
  const bool cf = n <= kWidth<T> ? (static_cast<i64>(s) >> (n - 1)) & 1 : top_bit(a);
  const T r = static_cast<T>(s >> shift);
  set_flags(f, r, cf, false);
  return r;
}

template <class T>
T rol(LazyFlags& f, T a, unsigned n) {
  if (n == 0) return a;
  const T r = std::rotl(a, static_cast<int>(n % kWidth<T>));
  f.set_cf(r & 1);
  f.set_of(top_bit(r) != (r & 1));
  return r;
}

template <class T>
T ror(LazyFlags& f, T a, unsigned n) {
  if (n == 0) return a;
  const T r = std::rotr(a, static_cast<int>(n % kWidth<T>));
  f.set_cf(top_bit(r));
  f.set_of(top_bit(r) != top_bit(static_cast<T>(r << 1)));
  return r;
}

// Rotates through carry: the operand and CF as one value of width + 1 bits.
template <class T>
T rcl(LazyFlags& f, T a, unsigned n) {
  n %= kWidth<T> + 1;
  if (n == 0) return a;
  const bool cf = f.cf();
  const u128 wide = (u128{cf} << kWidth<T>) | a;
  const u128 r = (wide << n) | (wide >> (kWidth<T> + 1 - n));
  f.set_cf((r >> kWidth<T>)&1);
  const T out = static_cast<T>(r);
  f.set_of(top_bit(out) != f.cf());
  return out;
}

template <class T>
T rcr(LazyFlags& f, T a, unsigned n) {
  n %= kWidth<T> + 1;
  if (n == 0) return a;
  const bool cf = f.cf();
  const u128 wide = (u128{cf} << kWidth<T>) | a;
  const u128 r = (wide >> n) | (wide << (kWidth<T> + 1 - n));
  f.set_cf((r >> kWidth<T>)&1);
  const T out = static_cast<T>(r);
  f.set_of(top_bit(out) != top_bit(static_cast<T>(out << 1)));
  return out;
}

// Double shifts; a count above the width (16-bit operands only) has an undefined result.
template <class T>
T shld(LazyFlags& f, T a, T b, unsigned n) {
  if (n == 0) return a;
  if (n > kWidth<T>) n %= kWidth<T>;
  if (n == 0) return a;
  const T r = static_cast<T>((n < kWidth<T> ? a << n : 0) | (b >> (kWidth<T> - n)));
  set_flags(f, r, (a >> (kWidth<T> - n)) & 1, top_bit(r) != top_bit(a));
  return r;
}

template <class T>
T shrd(LazyFlags& f, T a, T b, unsigned n) {
  if (n == 0) return a;
  if (n > kWidth<T>) n %= kWidth<T>;
  if (n == 0) return a;
  const T r = static_cast<T>((n < kWidth<T> ? a >> n : 0) | (b << (kWidth<T> - n)));
  set_flags(f, r, (a >> (n - 1)) & 1, top_bit(r) != top_bit(a));
  return r;
}

template <class T>
struct Wide;
template <>
struct Wide<u8> {
  using U = u16;
  using S = i16;
};
template <>
struct Wide<u16> {
  using U = u32;
  using S = i32;
};
template <>
struct Wide<u32> {
  using U = u64;
  using S = i64;
};
template <>
struct Wide<u64> {
  using U = u128;
  using S = i128;
};

template <class T>
typename Wide<T>::U mul(LazyFlags& f, T a, T b) {
  using U = typename Wide<T>::U;
  const U r = static_cast<U>(static_cast<U>(a) * static_cast<U>(b));
  const bool over = (r >> kWidth<T>) != 0;
  set_flags(f, static_cast<T>(r), over, over);
  return r;
}

template <class T>
typename Wide<T>::U imul(LazyFlags& f, T a, T b) {
  using S = typename Wide<T>::S;
  using N = std::make_signed_t<T>;
  const S r = static_cast<S>(static_cast<S>(static_cast<N>(a)) * static_cast<S>(static_cast<N>(b)));
  const bool over = r != static_cast<S>(static_cast<N>(r));
  set_flags(f, static_cast<T>(r), over, over);
  return static_cast<typename Wide<T>::U>(r);
}

// Condition codes of Jcc, SETcc, CMOVcc by their number in the opcode.
template <unsigned N>
bool condition(const LazyFlags& f) {
  bool r;
  if constexpr (N / 2 == 0) r = f.of();
  else if constexpr (N / 2 == 1) r = f.cf();
  else if constexpr (N / 2 == 2) r = f.zf();
  else if constexpr (N / 2 == 3) r = f.cf() || f.zf();
  else if constexpr (N / 2 == 4) r = f.sf();
  else if constexpr (N / 2 == 5) r = f.pf();
  else if constexpr (N / 2 == 6) r = f.sf() != f.of();
  else r = f.zf() || f.sf() != f.of();
  return r != (N % 2 == 1);
}

}  // namespace tandem::semantics::alu
