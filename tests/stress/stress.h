// What the parts of the stress program share. A part does its work in a process of its own and ends with a
// checksum, which depends on the seed and the scale alone: never on time, addresses, the order of threads or
// the processor.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tandem::stress {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using u128 = unsigned __int128;

inline constexpr std::size_t kPage = 4096;

// How much, and of what. Scale 100 is the ordinary amount.
struct Work {
  u64 seed;
  u64 scale;
  std::string_view self;  // the program's path

  // At least one of what would be COUNT at the ordinary scale.
  u64 times(u64 count) const { return count * scale / 100 + 1; }
};

struct Part {
  std::string_view name;
  u64 (*run)(const Work&);
};

std::span<const Part> compression_parts();
std::span<const Part> sorting_parts();
std::span<const Part> digest_parts();
std::span<const Part> float_parts();
std::span<const Part> string_parts();
std::span<const Part> thread_parts();
std::span<const Part> litmus_parts();
std::span<const Part> atomic_parts();
std::span<const Part> signal_parts();
std::span<const Part> timer_parts();
std::span<const Part> code_parts();
std::span<const Part> memory_parts();
std::span<const Part> process_parts();
std::span<const Part> compile_parts();

// splitmix64
class Random {
 public:
  explicit Random(u64 seed) : state_(seed) {}
  u64 next() {
    u64 z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  u64 below(u64 limit) { return next() % limit; }

 private:
  u64 state_;
};

// FNV-1a
class Hash {
 public:
  void bytes(const void* at, std::size_t size) {
    for (const u8 b : std::span(static_cast<const u8*>(at), size)) value_ = (value_ ^ b) * 0x100000001b3;
  }
  template <typename T>
    requires std::has_unique_object_representations_v<T> || std::is_floating_point_v<T>
  void add(const T& value) {
    bytes(&value, std::is_same_v<T, long double> ? 10 : sizeof value);
  }
  template <typename T>
  void all(const std::vector<T>& values) {
    for (const T& v : values) add(v);
  }
  u64 value() const { return value_; }

 private:
  u64 value_ = 0xcbf29ce484222325;
};

// Ends the part with its reason where what must hold does not.
void require(bool good, const char* what);

// The compiler knows nothing of the pointer or of memory after this.
template <typename T>
T* hide(T* pointer) {
  asm volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

// Text with repetitions of all lengths.
std::vector<u8> make_text(Random& random, std::size_t size);

// Anonymous memory, gone with its owner.
class Mapping {
 public:
  Mapping(std::size_t size, int protection);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  u8* at() const { return at_; }
  void protect(std::size_t offset, std::size_t size, int protection) const;

 private:
  std::size_t size_;
  u8* at_;
};

}  // namespace tandem::stress
