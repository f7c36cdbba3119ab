// Threads: counters, locks, queues, condition variables, futexes. Sums do not depend on who came first.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/stress/stress.h"

namespace tandem::stress {

namespace {

constexpr unsigned kThreads = 4;

template <typename Body>
void in_threads(Body body) {
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < kThreads; ++t) threads.emplace_back([&body, t] { body(t); });
}

u64 counters(const Work& work) {
  const u64 times = work.times(100000);
  std::atomic<u64> added{0}, exchanged{0}, all_or{0}, all_xor{0};
  std::atomic<u8> small{0};
  in_threads([&](unsigned t) {
    Random random(work.seed + t);
    for (u64 i = 0; i < times; ++i) {
      const u64 r = random.next();
      added += r;
      small.fetch_add(static_cast<u8>(r));
      all_xor ^= r;
      all_or |= r & r << 1 & r << 2;
      u64 old = exchanged.load(std::memory_order_relaxed);
      while (!exchanged.compare_exchange_weak(old, old + (r >> 32))) {
      }
    }
  });
  Hash hash;
  for (const u64 v : {added.load(), exchanged.load(), all_or.load(), all_xor.load()}) hash.add(v);
  hash.add(small.load());
  return hash.value();
}

class SpinLock {
 public:
  void lock() {
    while (held_.exchange(true, std::memory_order_acquire))
      while (held_.load(std::memory_order_relaxed)) std::this_thread::yield();
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

// Plain data that only a lock protects.
template <typename Lock>
u64 locked(const Work& work) {
  Lock lock;
  std::array<u64, 64> data{};
  in_threads([&](unsigned t) {
    Random random(work.seed + t);
    for (u64 i = 0; i < work.times(30000); ++i) {
      const u64 at = random.below(data.size());
      const std::lock_guard held(lock);
      data[at] += random.next();
      ++data[0];
    }
  });
  Hash hash;
  for (const u64 v : data) hash.add(v);
  return hash.value();
}

// Bounded queues in a ring of threads: what one sends, the next gets in order.
class Queue {
 public:
  void send(u64 value) {
    const u64 tail = tail_.load(std::memory_order_relaxed);
    while (tail - head_.load(std::memory_order_acquire) == slots_.size()) std::this_thread::yield();
    slots_[tail % slots_.size()] = value;
    tail_.store(tail + 1, std::memory_order_release);
  }
  u64 receive() {
    const u64 head = head_.load(std::memory_order_relaxed);
    while (head == tail_.load(std::memory_order_acquire)) std::this_thread::yield();
    const u64 value = slots_[head % slots_.size()];
    head_.store(head + 1, std::memory_order_release);
    return value;
  }

 private:
  std::array<u64, 64> slots_{};
  std::atomic<u64> head_{0}, tail_{0};
};

u64 queues(const Work& work) {
  std::array<Queue, kThreads - 1> queue;
  Hash hash;
  in_threads([&](unsigned t) {
    Random random(work.seed);
    for (u64 i = 0; i < work.times(40000); ++i) {
      const u64 value = t == 0 ? random.next() : queue[t - 1].receive() * 3 + t;
      if (t < queue.size()) queue[t].send(value);
      else hash.add(value);
    }
  });
  return hash.value();
}

// Turns by a condition variable: each step depends on the one before.
u64 turns(const Work& work) {
  std::mutex mutex;
  std::condition_variable changed;
  u64 turn = 0;
  u64 value = work.seed;
  const u64 last = work.times(1500) * kThreads;
  in_threads([&](unsigned t) {
    std::unique_lock held(mutex);
    while (turn < last) {
      changed.wait(held, [&] { return turn % kThreads == t || turn >= last; });
      if (turn >= last) break;
      value = value * 6364136223846793005 + t;
      ++turn;
      changed.notify_all();
    }
  });
  return value;
}

// Sleep and wake by std::atomic, a futex below.
u64 waits(const Work& work) {
  std::atomic<u32> ball{0};
  const u32 last = static_cast<u32>(work.times(1500)) * kThreads;
  u64 value = work.seed;
  in_threads([&](unsigned t) {
    for (;;) {
      const u32 now = ball.load();
      if (now >= last) return;
      if (now % kThreads != t) {
        ball.wait(now);
        continue;
      }
      value = value * 2862933555777941757 + t;
      ball.store(now + 1);
      ball.notify_all();
    }
  });
  return value;
}

// Threads come and go, each with its own thread-local data.
u64 short_lives(const Work& work) {
  std::atomic<u64> sum{0};
  for (u64 i = 0; i < work.times(100); ++i) {
    in_threads([&](unsigned t) {
      thread_local u64 own = 7;
      own += i * t;
      sum += own * own;
    });
  }
  return sum;
}

constexpr Part kParts[] = {{"thread-counters", counters},
                           {"thread-spin-lock", locked<SpinLock>},
                           {"thread-mutex", locked<std::mutex>},
                           {"thread-queues", queues},
                           {"thread-turns", turns},
                           {"thread-waits", waits},
                           {"thread-lives", short_lives}};

}  // namespace

std::span<const Part> thread_parts() { return kParts; }

}  // namespace tandem::stress
