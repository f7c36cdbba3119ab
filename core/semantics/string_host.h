// What repeated string instructions do to elements in host memory. A row starts at its first element in the
// order of the repetition: with DF set, the others lie below it.
#pragma once

#include <cstring>

#include "core/base/bits.h"

namespace tandem::semantics {

// f(T{}) for the unsigned type of an element's size.
template <class F>
auto by_size(unsigned size, F f) {
  switch (size) {
    case 1: return f(u8{});
    case 2: return f(u16{});
    case 4: return f(u32{});
    default: return f(u64{});
  }
}

// The lowest byte of a row.
inline u8* lowest(u8* first, u64 bytes, unsigned size, bool down) {
  return down ? first + size - bytes : first;
}

template <class T>
void fill_row(u8* first, u64 n, T value, bool down) {
  u8* at = lowest(first, n * sizeof(T), sizeof(T), down);
  if constexpr (sizeof(T) == 1) std::memset(at, value, n);
  else
    for (u64 i = 0; i < n; ++i) store_le<T>(at + i * sizeof(T), value);
}

// Would a copy in order read what it wrote before? Then it repeats a pattern, which a move does not.
inline bool repeats_pattern(const u8* to, const u8* from, u64 bytes, bool down) {
  return down ? to < from && from < to + bytes : from < to && to < from + bytes;
}

template <class T>
void copy_in_order(u8* to, const u8* from, u64 n, bool down) {
  for (i64 i = 0; i < static_cast<i64>(n); ++i) {
    const i64 offset = (down ? -i : i) * static_cast<i64>(sizeof(T));
    store_le<T>(to + offset, load_le<T>(from + offset));
  }
}

inline void copy_row(u8* to, u8* from, u64 n, unsigned size, bool down) {
  const u64 bytes = n * size;
  u8* low_to = lowest(to, bytes, size, down);
  const u8* low_from = lowest(from, bytes, size, down);
  if (repeats_pattern(low_to, low_from, bytes, down))
    by_size(size, [&](auto t) { copy_in_order<decltype(t)>(to, from, n, down); });
  else std::memmove(low_to, low_from, bytes);
}

// How many of n elements a repetition takes that ends behind the first for which equal(i) is `stop`; i counts
// elements upwards in memory. Whole blocks first, which the compiler makes vector code of.
template <class T, bool stop, class Equal>
u64 elements_taken(u64 n, bool down, Equal equal) {
  constexpr u64 kBlock = 64 / sizeof(T);
  u64 done = 0;
  for (; done + kBlock <= n; done += kBlock) {
    const i64 low = down ? -static_cast<i64>(done + kBlock - 1) : static_cast<i64>(done);
    bool found = false;
    for (i64 i = 0; i < static_cast<i64>(kBlock); ++i) found |= equal(low + i) == stop;
    if (found) break;
  }
  while (done < n) {
    const i64 i = static_cast<i64>(done++);
    if (equal(down ? -i : i) == stop) break;
  }
  return done;
}

template <class T, class Equal>
u64 elements_taken(u64 n, bool down, bool stop, Equal equal) {
  return stop ? elements_taken<T, true>(n, down, equal) : elements_taken<T, false>(n, down, equal);
}

template <class T>
T element_at(const u8* row, i64 index) {
  return load_le<T>(row + index * static_cast<i64>(sizeof(T)));
}

// SCAS and CMPS; stop: what ends them, ZF set (REPNE) or clear (REPE).
template <class T>
u64 scan_row(const u8* row, T value, u64 n, bool down, bool stop) {
  return elements_taken<T>(n, down, stop, [=](i64 i) { return element_at<T>(row, i) == value; });
}
template <class T>
u64 compare_rows(const u8* a, const u8* b, u64 n, bool down, bool stop) {
  return elements_taken<T>(n, down, stop, [=](i64 i) { return element_at<T>(a, i) == element_at<T>(b, i); });
}

}  // namespace tandem::semantics
