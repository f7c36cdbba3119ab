// Repeated string instructions over 4 KiB.
#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/string_blocks.h"

namespace tandem::bench {

namespace {

constexpr u64 kSize = 4096;
using Blocks = StringBlocks<kSize>;

class RepMovsb : public Blocks {
 public:
  void once() {
    const void* from = source.data();
    void* to = target.data();
    u64 count = kSize;
    asm volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
  }
};

class RepMovsq : public Blocks {
 public:
  void once() {
    const void* from = source.data();
    void* to = target.data();
    u64 count = kSize / 8;
    asm volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
  }
};

class RepStosb : public Blocks {
 public:
  void once() {
    void* to = target.data();
    u64 count = kSize;
    asm volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(0x5a) : "memory");
  }
};

class RepneScasb : public Blocks {
 public:
  void once() {
    const void* at = target.data();
    left_ = kSize;
    asm volatile("repne scasb" : "+D"(at), "+c"(left_) : "a"(255) : "cc", "memory");
  }
  u64 checksum() const { return left_ + 1; }

 private:
  u64 left_ = kSize;
};

class RepeCmpsb : public Blocks {
 public:
  void once() {
    const void* a = source.data();
    const void* b = target.data();
    left_ = kSize;
    asm volatile("repe cmpsb\n setb %b[below]"
                 : "+S"(a), "+D"(b), "+c"(left_), [below] "+q"(below_)
                 :
                 : "cc", "memory");
  }
  u64 checksum() const { return left_ << 1 | below_; }

 private:
  u64 left_ = kSize;
  u64 below_ = 0;
};

}  // namespace

Workload rep_movsb() { return make_workload<RepMovsb>("rep-movsb", "string"); }
Workload rep_movsq() { return make_workload<RepMovsq>("rep-movsq", "string"); }
Workload rep_stosb() { return make_workload<RepStosb>("rep-stosb", "string"); }
Workload repne_scasb() { return make_workload<RepneScasb>("repne-scasb", "string"); }
Workload repe_cmpsb() { return make_workload<RepeCmpsb>("repe-cmpsb", "string"); }

}  // namespace tandem::bench
