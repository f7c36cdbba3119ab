// Snapshot archives: a header, then named and versioned sections, each with its length and CRC-32.
// Little-endian. Anything unknown, left over, damaged or missing is an error.
#pragma once

#include <array>
#include <concepts>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::snapshot {

u32 crc32(std::span<const u8> bytes);

template <class T>
concept Scalar = std::integral<T> || std::is_enum_v<T>;

// Saved as a length and the elements.
template <class T>
concept Resizable = requires(T& v) {
  v.size();
  v.resize(0);
};

// A state struct lists its members once, for both directions:
//   static void fields(auto& archive, auto& s) { archive(s.a, s.b); }
class StateWriter {
 public:
  StateWriter();
  void begin_section(std::string_view name, u32 version);
  void end_section();
  // Inside a section.
  template <class... T>
  void operator()(const T&... values) {
    (put(values), ...);
  }
  void bytes(std::span<const u8> data);
  std::vector<u8> finish();

 private:
  template <class T>
  void put(const T& v) {
    if constexpr (std::is_same_v<T, bool>) {
      raw_value(u8{v}, 1);
    } else if constexpr (Scalar<T>) {
      raw_value(static_cast<u64>(v), sizeof(T));
    } else if constexpr (Resizable<T>) {
      raw_value(v.size(), 4);
      for (const auto& e : v) put(static_cast<const typename T::value_type&>(e));
    } else if constexpr (requires { std::begin(v); }) {
      for (const auto& e : v) put(e);
    } else {
      T::fields(*this, v);
    }
  }
  void raw_value(u64 v, unsigned size);

  std::vector<u8> out_;
  size_t section_ = 0;  // where the length of the open section is, 0 = none open
  size_t section_start_ = 0;
};

class StateReader {
 public:
  // Checks header, lengths and CRCs of all sections.
  static Result<StateReader> open(std::vector<u8> data);

  // Enters a section; fails if it isn't there or its version is another.
  Result<void> begin_section(std::string_view name, u32 version);
  // Leaves it: fails if a value was missing or out of range, or if bytes are left over.
  Result<void> end_section();
  // Fails if a section was never read.
  Result<void> finish();
  bool has_section(std::string_view name) const { return sections_.contains(name); }

  // Missing values read as 0; end_section() then fails.
  template <class... T>
  void operator()(T&... values) {
    (get(values), ...);
  }
  void bytes(std::span<u8> to);
  // The device's own objection to a value; end_section() gives it.
  void reject(std::string why);
  bool failed() const { return !error_.empty(); }
  void check(bool good, std::string_view what) {
    if (!good) reject(std::string(what) + " is out of range");
  }

 private:
  static constexpr u64 kMaxElements = 1 << 20;
  template <class T>
  void get(T& v) {
    if constexpr (std::is_same_v<T, bool>) {
      const u64 x = raw_value(1);
      check(x <= 1, "a truth value");
      v = x & 1;
    } else if constexpr (Scalar<T>) {
      v = static_cast<T>(raw_value(sizeof(T)));
    } else if constexpr (Resizable<T>) {
      const u64 n = raw_value(4);
      check(n <= kMaxElements && n <= left(), "a length");
      v.resize(error_.empty() ? n : 0);
      for (auto& e : v) get(e);
    } else if constexpr (requires { std::begin(v); }) {
      for (auto& e : v) get(e);
    } else {
      T::fields(*this, v);
    }
  }
  u64 raw_value(unsigned size);
  u64 left() const { return end_ - at_; }

  struct Section {
    u32 version;
    size_t start, end;
    bool read = false;
  };
  std::vector<u8> data_;
  std::map<std::string, Section, std::less<>> sections_;
  std::string name_;
  size_t at_ = 0, end_ = 0;
  std::string error_;
};

// Saves and loads a state struct as one section.
template <class S>
void save_section(StateWriter& w, std::string_view name, u32 version, const S& state) {
  w.begin_section(name, version);
  w(state);
  w.end_section();
}
template <class S>
Result<void> load_section(StateReader& r, std::string_view name, u32 version, S& state) {
  TANDEM_TRY(r.begin_section(name, version));
  S loaded{};
  r(loaded);
  if constexpr (requires { loaded.valid(); }) r.check(loaded.valid(), "a field");
  TANDEM_TRY(r.end_section());
  state = loaded;
  return {};
}

}  // namespace tandem::snapshot
