// Outcomes that x86's memory order forbids (SDM volume 3, "Memory Ordering"). Each part ends with the number
// of forbidden outcomes, which must be 0; what is allowed depends on chance and is not told.
#include <sched.h>

#include <atomic>
#include <barrier>
#include <thread>

#include "tests/stress/stress.h"

namespace tandem::stress {

namespace {

constexpr std::size_t kRounds = 512;  // between two meetings of the threads

// Variables on lines of their own, a set for each round, so that rounds need no meeting.
struct alignas(256) Cell {
  u64 x;
  u8 gap[56];
  u64 y;
};

struct Seen {
  u64 first, second;
};

using Step = void (*)(Cell&, Seen&);

// THREADS run their steps on the same cells at about the same time; JUDGE says whether what they saw is
// forbidden.
template <std::size_t Threads>
u64 forbidden(const Work& work, const std::array<Step, Threads>& steps,
              bool (*judge)(const std::array<Seen, Threads>&)) {
  std::vector<Cell> cells(kRounds);
  std::array<std::vector<Seen>, Threads> seen;
  for (auto& s : seen) s.resize(kRounds);
  std::barrier meeting(Threads);
  const u64 laps = work.times(60);
  u64 count = 0;
  const auto body = [&](std::size_t t) {
    for (u64 lap = 0; lap < laps; ++lap) {
      if (t == 0)
        for (Cell& c : cells) std::memset(&c, 0, sizeof c);
      meeting.arrive_and_wait();
      for (std::size_t i = 0; i < kRounds; ++i) steps[t](cells[i], seen[t][i]);
      meeting.arrive_and_wait();
      if (t != 0) continue;
      for (std::size_t i = 0; i < kRounds; ++i) {
        std::array<Seen, Threads> s;
        for (std::size_t k = 0; k < Threads; ++k) s[k] = seen[k][i];
        if (judge(s)) ++count;
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < Threads; ++t) threads.emplace_back(body, t);
  }
  require(count == 0, "no forbidden outcome");
  return count;
}

enum class Fence { Mfence, LockedAdd, Xchg, CmpxchgMiss };

template <Fence F>
void store_fenced(u64& at) {
  u64 one = 1;
  u64 zero = 0;
  u64 other = 0;
  switch (F) {
    case Fence::Mfence: asm volatile("movq %1, %0; mfence" : "=m"(at) : "r"(one) : "memory"); break;
    case Fence::LockedAdd:
      asm volatile("movq %1, %0; lock addq $0, %2" : "=m"(at), "+r"(one), "+m"(other)::"memory", "cc");
      break;
    case Fence::Xchg: asm volatile("xchgq %1, %0" : "+m"(at), "+r"(one)::"memory"); break;
    case Fence::CmpxchgMiss:
      asm volatile("movq %1, %0; lock cmpxchgq %1, %3"
                   : "+m"(at), "+r"(one), "+a"(zero), "+m"(other)::"memory", "cc");
      break;
  }
}

u64 load(const u64& at) {
  u64 value;
  asm volatile("movq %1, %0" : "=r"(value) : "m"(at) : "memory");
  return value;
}

void store(u64& at) { asm volatile("movq $1, %0" : "=m"(at)::"memory"); }

// Store buffering: with fences, one of the two sees the other's store.
template <Fence F>
u64 store_buffering(const Work& work) {
  return forbidden<2>(work,
                      {[](Cell& c, Seen& s) { store_fenced<F>(c.x), s.first = load(c.y); },
                       [](Cell& c, Seen& s) { store_fenced<F>(c.y), s.first = load(c.x); }},
                      [](const auto& s) { return s[0].first == 0 && s[1].first == 0; });
}

// A thread sees its own store, and stores become visible in one order to all others.
u64 message_passing(const Work& work) {
  return forbidden<2>(work,
                      {[](Cell& c, Seen& s) { store(c.x), store(c.y), s.first = load(c.x); },
                       [](Cell& c, Seen& s) { s.first = load(c.y), s.second = load(c.x); }},
                      [](const auto& s) { return (s[1].first == 1 && s[1].second == 0) || s[0].first != 1; });
}

// The same with a message that a string instruction and a vector store write.
u64 message_passing_wide(const Work& work) {
  return forbidden<2>(work,
                      {[](Cell& c, Seen&) {
                         asm volatile("movq $1, %%rax; movq %%rax, %%xmm0; movups %%xmm0, %0; movq %%rax, %1"
                                      : "=m"(c.x), "=m"(c.y)::"rax", "xmm0", "memory");
                       },
                       [](Cell& c, Seen& s) {
                         asm volatile("movq %2, %0; movups %3, %%xmm0; movq %%xmm0, %1"
                                      : "=&r"(s.first), "=&r"(s.second)
                                      : "m"(c.y), "m"(c.x)
                                      : "xmm0", "memory");
                       }},
                      [](const auto& s) { return s[1].first == 1 && s[1].second == 0; });
}

u64 load_buffering(const Work& work) {
  return forbidden<2>(work,
                      {[](Cell& c, Seen& s) { s.first = load(c.x), store(c.y); },
                       [](Cell& c, Seen& s) { s.first = load(c.y), store(c.x); }},
                      [](const auto& s) { return s[0].first == 1 && s[1].first == 1; });
}

// Two loads of one variable do not go back in time.
u64 coherence(const Work& work) {
  return forbidden<2>(work,
                      {[](Cell& c, Seen&) { store(c.x); },
                       [](Cell& c, Seen& s) { s.first = load(c.x), s.second = load(c.x); }},
                      [](const auto& s) { return s[1].first == 1 && s[1].second == 0; });
}

// Independent reads of independent writes: readers agree on the order of two writers.
u64 independent_reads(const Work& work) {
  return forbidden<4>(work,
                      {[](Cell& c, Seen&) { store(c.x); }, [](Cell& c, Seen&) { store(c.y); },
                       [](Cell& c, Seen& s) { s.first = load(c.x), s.second = load(c.y); },
                       [](Cell& c, Seen& s) { s.first = load(c.y), s.second = load(c.x); }},
                      [](const auto& s) {
                        return s[2].first == 1 && s[2].second == 0 && s[3].first == 1 && s[3].second == 0;
                      });
}

constexpr Part kParts[] = {{"litmus-sb-mfence", store_buffering<Fence::Mfence>},
                           {"litmus-sb-lock", store_buffering<Fence::LockedAdd>},
                           {"litmus-sb-xchg", store_buffering<Fence::Xchg>},
                           {"litmus-sb-cmpxchg", store_buffering<Fence::CmpxchgMiss>},
                           {"litmus-mp", message_passing},
                           {"litmus-mp-wide", message_passing_wide},
                           {"litmus-lb", load_buffering},
                           {"litmus-corr", coherence},
                           {"litmus-iriw", independent_reads}};

}  // namespace

std::span<const Part> litmus_parts() { return kParts; }

}  // namespace tandem::stress
