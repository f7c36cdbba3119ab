// Integer names and strong identifiers used everywhere.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
using u128 = unsigned __int128;
using i128 = __int128;

enum class Gpa : u64 {};      // guest physical address
enum class Gva : u64 {};      // guest linear address (after segmentation)
enum class Port : u16 {};     // I/O port
enum class VcpuId : u32 {};   // index of a virtual CPU, from 0
enum class GuestNs : i64 {};  // nanoseconds of guest time since power-on

constexpr u64 raw(Gpa a) { return static_cast<u64>(a); }
constexpr u64 raw(Gva a) { return static_cast<u64>(a); }
constexpr u16 raw(Port p) { return static_cast<u16>(p); }
constexpr u32 raw(VcpuId id) { return static_cast<u32>(id); }
constexpr i64 raw(GuestNs t) { return static_cast<i64>(t); }

constexpr Gpa operator+(Gpa a, u64 n) { return Gpa{raw(a) + n}; }
constexpr Gva operator+(Gva a, u64 n) { return Gva{raw(a) + n}; }
constexpr GuestNs operator+(GuestNs a, GuestNs b) { return GuestNs{raw(a) + raw(b)}; }
constexpr GuestNs operator-(GuestNs a, GuestNs b) { return GuestNs{raw(a) - raw(b)}; }

inline constexpr u64 kPageShift = 12;
inline constexpr u64 kPageSize = u64{1} << kPageShift;
inline constexpr u64 kPageMask = kPageSize - 1;

inline constexpr u64 KiB = 1024;
inline constexpr u64 MiB = 1024 * KiB;
inline constexpr u64 GiB = 1024 * MiB;

}  // namespace tandem
