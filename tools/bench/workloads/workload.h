// A workload: a name, a class, and a subject that is repeated and timed.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string_view>

namespace tandem::bench {

using u8 = std::uint8_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

// Work on one subject. Every iteration gives the same result, whatever came before it and wherever it runs:
// checksum() is of the last one, and is compared between hosts and guests. Neither is timed: construction,
// checksum().
template <typename T>
concept Subject = std::default_initializable<T> && requires(T t) {
  t.once();
  { t.checksum() } -> std::same_as<u64>;
};

// The compiler knows nothing of the pointer or of memory after this.
template <typename T>
T* hide(T* pointer) {
  asm volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

class Job {
 public:
  virtual ~Job() = default;
  virtual void repeat(u64 iterations) = 0;
  virtual u64 checksum() = 0;
};

template <Subject T>
class JobOf final : public Job {
 public:
  void repeat(u64 iterations) override {
    for (u64 i = 0; i < iterations; ++i) hide(&subject_)->once();
  }
  u64 checksum() override { return hide(&subject_)->checksum(); }

 private:
  T subject_;
};

struct Workload {
  std::string_view name;
  std::string_view group;
  std::unique_ptr<Job> (*start)();
  bool (*available)();
};

template <Subject T>
Workload make_workload(
    std::string_view name, std::string_view group, bool (*available)() = [] { return true; }) {
  return {name, group, []() -> std::unique_ptr<Job> { return std::make_unique<JobOf<T>>(); }, available};
}

}  // namespace tandem::bench
