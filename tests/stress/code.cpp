// Code that changes: by itself, beside data, through another mapping, by another thread, with its protection.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>

#include "tests/stress/fault.h"
#include "tests/stress/stress.h"

namespace tandem::stress {

namespace {

constexpr int kAll = PROT_READ | PROT_WRITE | PROT_EXEC;

// mov eax, VALUE; ret
constexpr std::size_t kFunction = 6;
void write_function(u8* at, u32 value) {
  std::array<u8, kFunction> code{0xb8, 0, 0, 0, 0, 0xc3};
  std::memcpy(&code[1], &value, sizeof value);
  std::memcpy(at, code.data(), code.size());
}

u32 call(u8* at) { return reinterpret_cast<u32 (*)()>(hide(at))(); }

// Functions of one page, rewritten at random, called often enough to be translated.
u64 same_page(const Work& work) {
  Random random(work.seed);
  const Mapping page(2 * kPage, kAll);
  std::array<u32, 500> values{};
  for (u32 i = 0; i < values.size(); ++i) write_function(page.at() + i * 16 + 3, 0);
  for (u64 i = 0; i < work.times(100000); ++i) {
    const u64 k = random.below(random.below(2) != 0 ? 4 : values.size());
    u8* const at = page.at() + k * 16 + 3;
    if (random.below(16) == 0) write_function(at, values[k] = static_cast<u32>(random.next()));
    require(call(at) == values[k], "a function that was just written");
  }
  return 0;
}

// Stores to the instruction behind them, in the same block: distance and way vary.
u64 next_instruction(const Work& work) {
  Random random(work.seed);
  const Mapping page(2 * kPage, kAll);
  u64 sum = 0;
  for (u64 i = 0; i < work.times(20000); ++i) {
    const u64 nops = random.below(12);
    const u64 start = random.below(4) == 0 ? kPage - random.below(40) : random.below(8) * 64;
    u8* at = page.at() + start;
    // mov [rip + to the operand of MOV below], edi; nops; mov eax, 0; ret
    const std::array<u8, 6> store{0x89, 0x3d, static_cast<u8>(nops + 1), 0, 0, 0};
    std::memcpy(at, store.data(), store.size());
    std::memset(at + store.size(), 0x90, nops);
    write_function(at + store.size() + nops, 0);
    for (u32 k = 0; k < 12; ++k) {
      const u32 value = static_cast<u32>(random.next());
      require(reinterpret_cast<u32 (*)(u32)>(hide(at))(value) == value, "the next instruction just written");
      sum += value;
    }
  }
  return sum;
}

// A loop that increments the operand of an instruction of its own.
u64 loop(const Work& work) {
  const Mapping page(kPage, kAll);
  // xor eax, eax; 2: add eax, 1; inc dword [rip - 7]; dec edi; jnz 2b; ret
  static constexpr std::array<u8, 18> kLoop{0x31, 0xc0, 0x05, 0x01, 0,    0,    0,    0xff, 0x05,
                                            0xf6, 0xff, 0xff, 0xff, 0xff, 0xcf, 0x75, 0xf1, 0xc3};
  Hash hash;
  for (u64 i = 0; i < work.times(20); ++i) {
    std::memcpy(page.at(), kLoop.data(), kLoop.size());
    hash.add(reinterpret_cast<u32 (*)(u32)>(hide(page.at()))(1000));
  }
  return hash.value();
}

// REP MOVSB copies over the code that follows it, and over itself.
u64 copied_over(const Work& work) {
  Random random(work.seed);
  const Mapping page(kPage, kAll);
  std::array<u8, 64> source;
  Hash hash;
  for (u64 i = 0; i < work.times(5000); ++i) {
    u8* const at = page.at() + random.below(1000);
    const std::array<u8, 3> copy{0xf3, 0xa4, 0x90};
    std::memcpy(at, copy.data(), copy.size());
    const u32 value = static_cast<u32>(random.next());
    write_function(at + copy.size(), 0);
    source.fill(0x90);
    write_function(&source[3], value);
    const u64 before = random.below(2) * 3;  // over the instruction itself too
    std::memcpy(source.data(), copy.data(), 2);
    u8* destination = at + 3 - before;
    const u8* from = &source[3 - before];
    u64 count = kFunction + before;
    u32 result = 0;
    asm volatile("call *%[at]"
                 : "+D"(destination), "+S"(from), "+c"(count), "=a"(result)
                 : [at] "r"(at)
                 : "memory", "cc");
    require(result == value, "code that a string instruction has just written");
    hash.add(result);
  }
  return hash.value();
}

// Data in the same lines as code, as compilers of bytecode do it.
u64 beside_data(const Work& work) {
  const Mapping page(kPage, kAll);
  Hash hash;
  // inc qword [rip + 25]; mov rax, [rip + 18]; ret
  static constexpr std::array<u8, 15> kCounter{0x48, 0xff, 0x05, 25, 0, 0, 0,   0x48,
                                               0x8b, 0x05, 18,   0,  0, 0, 0xc3};
  for (std::size_t i = 0; i < 64; ++i) std::memcpy(page.at() + i * 64, kCounter.data(), kCounter.size());
  for (u64 i = 0; i < work.times(50000); ++i)
    hash.add(reinterpret_cast<u64 (*)()>(hide(page.at() + i % 64 * 64))());
  return hash.value();
}

// Written through one mapping, executed by another, in another place of the page table.
u64 two_mappings(const Work& work) {
  Random random(work.seed);
  const int file = memfd_create("code", 0);
  require(file >= 0 && ftruncate(file, 4 * kPage) == 0, "memfd_create");
  void* const w = mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  void* const x = mmap(nullptr, 4 * kPage, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  require(w != MAP_FAILED && x != MAP_FAILED, "mmap");
  for (u64 i = 0; i < work.times(20000); ++i) {
    const u64 at = random.below(3 * kPage);
    const u32 value = static_cast<u32>(random.next());
    write_function(static_cast<u8*>(w) + at, value);
    for (u64 k = random.below(12); k != 0; --k)
      require(call(static_cast<u8*>(x) + at) == value, "code written through another mapping");
    if (i % 64 == 0)
      require(pwrite(file, "\xb8\x01\x02\x03\x04\xc3", kFunction, static_cast<off_t>(at)) == kFunction,
              "pwrite");
    if (i % 64 == 0) require(call(static_cast<u8*>(x) + at) == 0x04030201, "code written by the kernel");
  }
  return 0;
}

// Never writable and executable: what is not allowed faults at once, what is allowed runs at once.
u64 protections(const Work& work) {
  on_signals({SIGSEGV}, skip_fault);
  Random random(work.seed);
  Hash hash;
  const Mapping page(kPage, PROT_READ | PROT_WRITE);
  for (u64 i = 0; i < work.times(3000); ++i) {
    u8* const at = page.at() + random.below(4000);
    const u32 value = static_cast<u32>(random.next());
    page.protect(0, kPage, PROT_READ | PROT_WRITE);
    write_function(at, value);
    const bool executable = random.below(3) != 0;
    page.protect(0, kPage, executable ? PROT_READ | PROT_EXEC : PROT_READ);
    u64 noted = 0;
    u32 result = 0;
    asm volatile(
        "lea -128(%%rsp), %%rsp; mov %%rsp, %%r12; lea 1f(%%rip), %%r15; xor %%r14d, %%r14d; xor %%eax, "
        "%%eax; call *%[at]; "
        "movb $0xcc, (%[at]); 1: mov %%r12, %%rsp; lea 128(%%rsp), %%rsp; mov %%r14, %[noted]"
        : "=&a"(result), [noted] "=&r"(noted)
        : [at] "r"(at)
        : "r12", "r14", "r15", "memory", "cc");
    require(result == (executable ? value : 0), "code runs where it may, and only there");
    hash.add(noted);
  }
  return hash.value();
}

// A page of code is replaced by another at the same address.
u64 replaced(const Work& work) {
  Random random(work.seed);
  u8* const at = Mapping(kPage, kAll).at();
  for (u64 i = 0; i < work.times(3000); ++i) {
    const int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    require(mmap(at, kPage, kAll, fixed, -1, 0) == at, "mmap");
    const u64 offset = random.below(4) * 32;
    const u32 value = static_cast<u32>(random.next());
    write_function(at + offset, value);
    for (int k = 0; k < 10; ++k) require(call(at + offset) == value, "code of a new page");
    if (random.below(4) == 0) require(madvise(at, kPage, MADV_DONTNEED) == 0 && at[offset] == 0, "madvise");
  }
  return 0;
}

void serialize() {
  u32 a = 0, b, c = 0, d;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)::"memory");
}

// Cross-modifying code (SDM volume 3, "Handling Self- and Cross-Modifying Code"): one thread writes and
// tells, the others serialize and call.
u64 other_thread(const Work& work) {
  const Mapping page(kPage, kAll);
  std::atomic<u32> version{0};
  std::atomic<u32> seen[2]{};
  std::atomic<u32> wrong{0};
  const u32 last = static_cast<u32>(work.times(3000));
  write_function(page.at() + 60, 0);
  const auto reader = [&](std::size_t which) {
    for (u32 known = 0; known < last;) {
      const u32 now = version.load(std::memory_order_acquire);
      if (now == known) {
        if (call(page.at() + 1024) != 0x5a5a) ++wrong;  // on the same page, unchanged
        std::this_thread::yield();
        continue;
      }
      serialize();
      for (int k = 0; k < 10; ++k)
        if (call(page.at() + 60) != now * 3) ++wrong;
      known = now;
      seen[which].store(now, std::memory_order_release);
    }
  };
  write_function(page.at() + 1024, 0x5a5a);
  std::jthread one(reader, 0);
  std::jthread two(reader, 1);
  for (u32 v = 1; v <= last; ++v) {
    write_function(page.at() + 60, v * 3);
    version.store(v, std::memory_order_release);
    for (const auto& s : seen)
      while (s.load(std::memory_order_acquire) != v) std::this_thread::yield();
  }
  one.join();
  two.join();
  require(wrong == 0, "code that another thread has written");
  return last;
}

// A whole instruction changes by one aligned store while another thread runs it: it sees the old or the new
// one.
u64 while_running(const Work& work) {
  const Mapping page(kPage, kAll);
  u8* const at = page.at() + 63;  // the operand, at 64, is aligned
  write_function(at, 0);
  std::atomic<bool> done{false};
  std::atomic<u32> wrong{0};
  std::jthread reader([&] {
    u32 last = 0;
    while (!done.load(std::memory_order_relaxed)) {
      const u32 now = call(at);
      if (now < last || now % 0x01010101 != 0) ++wrong;
      last = now;
    }
  });
  for (u32 v = 1; v < 200; ++v) {
    *reinterpret_cast<volatile u32*>(at + 1) = v * 0x01010101;
    for (u64 i = 0; i < work.times(20); ++i) std::this_thread::yield();
  }
  done = true;
  reader.join();
  require(wrong == 0, "an instruction that changes is the old one or the new one");
  return call(at);
}

constexpr Part kParts[] = {{"code-same-page", same_page},
                           {"code-next-instruction", next_instruction},
                           {"code-loop", loop},
                           {"code-copied-over", copied_over},
                           {"code-beside-data", beside_data},
                           {"code-two-mappings", two_mappings},
                           {"code-protections", protections},
                           {"code-replaced", replaced},
                           {"code-other-thread", other_thread},
                           {"code-while-running", while_running}};

}  // namespace

std::span<const Part> code_parts() { return kParts; }

}  // namespace tandem::stress
