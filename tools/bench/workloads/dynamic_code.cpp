// Code written while the program runs, in pages that are writable and executable.
#include <sys/mman.h>

#include <array>
#include <cstring>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

constexpr std::size_t kPage = 4096;

class CodePages {
 public:
  explicit CodePages(std::size_t bytes) : bytes_(bytes) {
    void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(at != MAP_FAILED, "mmap of writable code");
    at_ = static_cast<u8*>(at);
  }
  ~CodePages() { munmap(at_, bytes_); }
  CodePages(const CodePages&) = delete;
  CodePages& operator=(const CodePages&) = delete;
  u8* at() const { return at_; }

 private:
  std::size_t bytes_;
  u8* at_;
};

constexpr std::size_t kImmediate = 1;

// mov eax, 0; rol eax, 7; xor eax, 5a5a5a5ah; ret
void write_function(u8* at) {
  constexpr std::array<u8, 14> kCode{0xb8, 0, 0, 0, 0, 0xc1, 0xc0, 7, 0x35, 0x5a, 0x5a, 0x5a, 0x5a, 0xc3};
  std::memcpy(at, kCode.data(), kCode.size());
}

void patch(u8* at, u32 value) { std::memcpy(at + kImmediate, &value, sizeof value); }

u32 call(u8* at) { return reinterpret_cast<u32 (*)()>(hide(at))(); }

u32 expected(u32 value) { return (value << 7 | value >> 25) ^ 0x5a5a5a5a; }

// 64 functions, each called once in its life: every iteration they hold other numbers.
class Fresh {
 public:
  void once() {
    u32 wrong = 0;
    for (std::size_t i = 0; i < kFunctions; ++i) {
      u8* const at = pages_.at() + i * kDistance;
      write_function(at);
      patch(at, ++value_);
      wrong += call(at) ^ expected(value_);
    }
    wrong_ = wrong;
  }
  u64 checksum() const { return wrong_; }

 private:
  static constexpr std::size_t kFunctions = 64;
  static constexpr std::size_t kDistance = 128;
  CodePages pages_{kFunctions * kDistance};
  u32 value_ = 0;
  u32 wrong_ = 1;
};

// One function, whose immediate operand changes before each call.
class Patch {
 public:
  Patch() { write_function(pages_.at()); }
  void once() {
    patch(pages_.at(), ++value_);
    wrong_ = call(pages_.at()) ^ expected(value_);
  }
  u64 checksum() const { return wrong_; }

 private:
  CodePages pages_{kPage};
  u32 value_ = 0;
  u32 wrong_ = 1;
};

// A new page for each function.
class Mapped {
 public:
  void once() {
    const CodePages page{kPage};
    write_function(page.at());
    patch(page.at(), ++value_);
    wrong_ = call(page.at()) ^ expected(value_);
  }
  u64 checksum() const { return wrong_; }

 private:
  u32 value_ = 0;
  u32 wrong_ = 1;
};

}  // namespace

Workload code_fresh() { return make_workload<Fresh>("code-fresh-64", "dynamic"); }
Workload code_patch() { return make_workload<Patch>("code-patch", "dynamic"); }
Workload code_mapped() { return make_workload<Mapped>("code-mapped", "dynamic"); }

}  // namespace tandem::bench
