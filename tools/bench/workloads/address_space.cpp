// What changes page tables: a new mapping of 64 pages, each touched, and taken away again; a page whose
// protection changes.
#include <sys/mman.h>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

constexpr std::size_t kPage = 4096;

u8* map(std::size_t bytes) {
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  require(at != MAP_FAILED, "mmap");
  return static_cast<u8*>(at);
}

class PageFaults {
 public:
  void once() {
    u8* const at = map(kPages * kPage);
    u64 sum = 0;
    for (std::size_t i = 0; i < kPages; ++i) sum += ++*hide(at + i * kPage);
    munmap(at, kPages * kPage);
    sum_ = sum;
  }
  u64 checksum() const { return sum_; }

 private:
  static constexpr std::size_t kPages = 64;
  u64 sum_ = 0;
};

class Mprotect {
 public:
  ~Mprotect() { munmap(page_, kPage); }
  void once() {
    failures_ += mprotect(page_, kPage, PROT_READ) != 0;
    failures_ += mprotect(page_, kPage, PROT_READ | PROT_WRITE) != 0;
    *page_ = 1;
  }
  u64 checksum() const { return failures_ << 8 | *page_; }

 private:
  u8* page_ = map(kPage);
  u64 failures_ = 0;
};

}  // namespace

Workload page_faults() { return make_workload<PageFaults>("page-faults-64", "system"); }
Workload mprotect_toggle() { return make_workload<Mprotect>("mprotect", "system"); }

}  // namespace tandem::bench
