// Mappings that come, move, split and go, with a model of what must be in them.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "tests/stress/fault.h"
#include "tests/stress/stress.h"

namespace tandem::stress {

namespace {

constexpr std::size_t kPages = 64;

// Words at the pages' ends are the model's.
class Area {
 public:
  explicit Area(Random& random) : random_(random) {}

  void step() {
    const u64 from = random_.below(kPages);
    const u64 count = 1 + random_.below(std::min<u64>(kPages - from, 8));
    switch (random_.below(6)) {
      case 0: map(from, count); break;
      case 1:
        require(madvise(page(from), count * kPage, MADV_DONTNEED) == 0, "madvise");
        for (u64 i = from; i < from + count; ++i) model_[i] = 0;
        break;
      case 2: move(from); break;
      case 3:
        protect(from, count, PROT_READ);
        protect(from, count, PROT_READ | PROT_WRITE);
        break;
      default:
        for (u64 i = from; i < from + count; ++i) write(i, random_.next());
    }
    for (u64 i = 0; i < 8; ++i) check(random_.below(kPages));
  }

  u64 sum() const {
    Hash hash;
    for (u64 i = 0; i < kPages; ++i) check(i), hash.add(model_[i]);
    return hash.value();
  }

 private:
  u8* page(u64 i) const { return memory_.at() + (1 + i) * kPage; }
  void protect(u64 from, u64 count, int protection) const {
    memory_.protect((1 + from) * kPage, count * kPage, protection);
  }
  void write(u64 i, u64 value) {
    std::memcpy(page(i) + kPage - 8, &value, 8);
    model_[i] = value;
  }
  void check(u64 i) const {
    u64 value;
    std::memcpy(&value, page(i) + kPage - 8, 8);
    require(value == model_[i], "a page holds what was written last");
  }
  void map(u64 from, u64 count) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    require(mmap(page(from), count * kPage, PROT_READ | PROT_WRITE, flags, -1, 0) == page(from), "mmap");
    for (u64 i = from; i < from + count; ++i) model_[i] = 0;
  }
  // One page: more may be of several mappings, which old kernels do not move together.
  void move(u64 from) {
    const u64 to = random_.below(kPages);
    if (to == from) return;
    const void* moved = mremap(page(from), kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, page(to));
    require(moved == page(to), "mremap");
    model_[to] = model_[from];
    map(from, 1);
  }

  Random& random_;
  // A page on either side stays: the hole that move() makes must not lie beside free space, where the kernel
  // would put what another thread maps.
  Mapping memory_{(1 + kPages + 1) * kPage, PROT_READ | PROT_WRITE};
  std::array<u64, kPages> model_{};
};

u64 mappings(const Work& work) {
  Random random(work.seed);
  Area area(random);
  for (u64 i = 0; i < work.times(10000); ++i) area.step();
  return area.sum();
}

// Other threads use their pages while mappings come and go: every processor must hear of it.
u64 mappings_in_threads(const Work& work) {
  std::array<u64, 4> sums{};
  {
    std::vector<std::jthread> threads;
    for (u64 t = 0; t < sums.size(); ++t)
      threads.emplace_back([&, t] {
        Random random(work.seed + t);
        Area area(random);
        for (u64 i = 0; i < work.times(2500); ++i) area.step();
        sums[t] = area.sum();
      });
  }
  Hash hash;
  for (const u64 s : sums) hash.add(s);
  return hash.value();
}

// One thread takes write access away; when mprotect is back, no store of another gets through.
u64 shot_down(const Work& work) {
  on_signals({SIGSEGV}, skip_fault);
  const Mapping memory(kPage, PROT_READ | PROT_WRITE);
  auto* const word = reinterpret_cast<volatile u64*>(memory.at());
  std::atomic<bool> done{false};
  const auto writer = [&] {
    while (!done.load(std::memory_order_relaxed))
      asm volatile("lea 1f(%%rip), %%r15; incq (%0); 1:" ::"r"(word) : "r14", "r15", "memory", "cc");
  };
  std::jthread one(writer);
  std::jthread two(writer);
  u64 wrong = 0;
  for (u64 i = 0; i < work.times(500); ++i) {
    memory.protect(0, kPage, PROT_READ);
    const u64 before = *word;
    for (u64 k = 0; k < 50; ++k) wrong += *word != before ? 1 : 0;
    memory.protect(0, kPage, PROT_READ | PROT_WRITE);
    for (u64 k = 0; k < 50; ++k) static_cast<void>(*word);
  }
  done = true;
  one.join();
  two.join();
  require(wrong == 0, "a page that is read-only does not change");
  return wrong;
}

constexpr Part kParts[] = {
    {"mappings", mappings}, {"mappings-in-threads", mappings_in_threads}, {"shot-down", shot_down}};

}  // namespace

std::span<const Part> memory_parts() { return kParts; }

}  // namespace tandem::stress
