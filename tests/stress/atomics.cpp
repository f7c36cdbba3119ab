// Locked read-modify-writes lose nothing, in any size, misaligned within a line and across two; plain loads
// and stores within a line are never seen half done.
#include <sched.h>
#include <signal.h>
#include <ucontext.h>

#include <array>
#include <atomic>
#include <thread>

#include "tests/stress/stress.h"

namespace tandem::stress {

namespace {

constexpr unsigned kThreads = 4;
constexpr std::size_t kLine = 64;

struct alignas(2 * kLine) Lines {
  std::array<u8, 4 * kLine> bytes{};
};

template <typename Body>
void in_threads(Body body) {
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < kThreads; ++t) threads.emplace_back([&body, t] { body(t); });
}

// Each way adds AMOUNT to what is at AT.
template <typename T>
struct Ways {
  static void add(u8* at, T amount) {
    asm volatile("lock add %1, (%0)" ::"r"(at), "r"(amount) : "memory", "cc");
  }
  static void xadd(u8* at, T amount) {
    asm volatile("lock xadd %1, (%0)" : "+r"(at), "+r"(amount)::"memory", "cc");
  }
  static void sub(u8* at, T amount) {
    asm volatile("lock sub %1, (%0)" ::"r"(at), "r"(static_cast<T>(-amount)) : "memory", "cc");
  }
  static void cmpxchg(u8* at, T amount) {
    T old;
    std::memcpy(&old, at, sizeof old);
    for (bool done = false; !done;) {
      const T wanted = static_cast<T>(old + amount);
      asm volatile("lock cmpxchg %3, (%2)" : "=@ccz"(done), "+a"(old) : "r"(at), "r"(wanted) : "memory");
    }
  }
};

// LINE_CROSSING: a processor may take very long for each, and a kernel may slow it down more.
template <typename T>
u64 additions(const Work& work, bool line_crossing) {
  constexpr std::array kWays{Ways<T>::add, Ways<T>::xadd, Ways<T>::sub, Ways<T>::cmpxchg};
  const u64 times = line_crossing ? work.times(25) : work.times(4000);
  Hash hash;
  const std::size_t first = line_crossing ? kLine - sizeof(T) + 1 : 0;
  const std::size_t last = line_crossing ? kLine - 1 : kLine - sizeof(T);
  for (std::size_t offset = first; offset <= last;
       offset += line_crossing || sizeof(T) == 1 ? sizeof(T) : sizeof(T) - 1) {
    for (const auto way : kWays) {
      Lines lines;
      in_threads([&](unsigned t) {
        for (u64 i = 0; i < times; ++i)
          way(&lines.bytes[offset], static_cast<T>(0x0123456789abcdef * (t + 1) + i));
      });
      hash.bytes(lines.bytes.data(), lines.bytes.size());
    }
  }
  return hash.value();
}

template <typename T>
u64 aligned(const Work& work) {
  return additions<T>(work, false);
}
template <typename T>
u64 crossing(const Work& work) {
  return additions<T>(work, true);
}

// 16 bytes: one half counts, the other follows it.
u64 wide(const Work& work) {
  struct alignas(16) Pair {
    u64 count = 0;
    u64 sum = 0;
  };
  Pair pair;
  in_threads([&](unsigned t) {
    for (u64 i = 0; i < work.times(20000); ++i) {
      u64 count = 0;
      u64 sum = 0;
      for (bool done = false; !done;) {
        asm volatile("lock cmpxchg16b %1"
                     : "=@ccz"(done), "+m"(pair), "+a"(count), "+d"(sum)
                     : "b"(count + 1), "c"(sum + i * t)
                     : "memory");
      }
    }
  });
  Hash hash;
  hash.add(pair.count);
  hash.add(pair.sum);
  return hash.value();
}

// Bits that threads set and clear beside each other; XCHG as a token that is never twice.
u64 bits(const Work& work) {
  alignas(8) std::array<u64, 4> words{};
  std::atomic<u64> wrong{0};
  u64 token = 1;
  u64 held = 0;
  in_threads([&](unsigned t) {
    for (u64 i = 0; i < work.times(20000); ++i) {
      const u64 bit = (i * 7 % 60) * 4 + t;
      bool old;
      asm volatile("lock btsq %2, %1" : "=@ccc"(old), "+m"(words) : "r"(bit) : "memory");
      if (old) ++wrong;
      asm volatile("lock btcq %2, %1" : "=@ccc"(old), "+m"(words) : "r"(bit) : "memory");
      if (!old) ++wrong;
      u64 mine = 0;
      asm volatile("xchgq %0, %1" : "+r"(mine), "+m"(token)::"memory");
      if (mine == 0) continue;
      ++held;
      asm volatile("xchgq %0, %1" : "+r"(mine), "+m"(token)::"memory");
      if (mine != 0) ++wrong;
    }
  });
  require(wrong == 0 && token == 1 && held != 0, "no bit and no token is lost");
  Hash hash;
  for (const u64 w : words) hash.add(w);
  return hash.value();
}

// Naturally aligned accesses of up to 8 bytes are single ones, and those within a line too.
template <typename T>
bool torn(const u8* from) {
  T value;
  asm volatile("mov %1, %0" : "=r"(value) : "m"(*reinterpret_cast<const T*>(from)) : "memory");
  return value != 0 && value != static_cast<T>(~T{0});
}

template <typename T>
void write_all(u8* to, T value) {
  asm volatile("mov %1, %0" : "=m"(*reinterpret_cast<T*>(to)) : "r"(value) : "memory");
}

u64 single_accesses(const Work& work) {
  std::atomic<u64> wrong{0};
  for (const std::size_t offset : {0, 8, 13, 35}) {  // aligned, and misaligned within a line
    Lines lines;
    in_threads([&](unsigned t) {
      u8* const at = &lines.bytes[offset];
      for (u64 i = 0; i < work.times(30000); ++i) {
        if (t < 2) write_all<u64>(at, t == 0 ? 0 : ~u64{0});
        else if (t == 2 ? torn<u64>(at) : torn<u32>(at) || torn<u16>(at)) ++wrong;
      }
    });
  }
  require(wrong == 0, "no access is seen half done");
  return 0;
}

// CMPXCHG16B of a misaligned address is a fault. R15: where to go on; R14 gets the signal.
void note_signal(int number, siginfo_t*, void* context) {
  auto& r = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  r[REG_R14] = number;
  r[REG_RIP] = r[REG_R15];
}

u64 misaligned_wide(const Work&) {
  struct sigaction action{};
  action.sa_sigaction = note_signal;
  action.sa_flags = SA_SIGINFO;
  require(sigaction(SIGSEGV, &action, nullptr) == 0, "sigaction");
  Lines lines;
  u64 number = 0;
  asm volatile("lea 1f(%%rip), %%r15; xor %%r14d, %%r14d; lock cmpxchg16b (%1); 1: mov %%r14, %0"
               : "=r"(number)
               : "r"(&lines.bytes[8])
               : "rax", "rdx", "rbx", "rcx", "r14", "r15", "memory", "cc");
  return number;
}

constexpr Part kParts[] = {{"rmw-1", aligned<u8>},
                           {"rmw-2", aligned<u16>},
                           {"rmw-4", aligned<u32>},
                           {"rmw-8", aligned<u64>},
                           {"rmw-2-crossing", crossing<u16>},
                           {"rmw-4-crossing", crossing<u32>},
                           {"rmw-8-crossing", crossing<u64>},
                           {"rmw-16", wide},
                           {"rmw-16-misaligned", misaligned_wide},
                           {"bits-and-tokens", bits},
                           {"single-accesses", single_accesses}};

}  // namespace

std::span<const Part> atomic_parts() { return kParts; }

}  // namespace tandem::stress
