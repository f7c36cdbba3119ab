// Where a vCPU's thread spends its time: its program counter, each few milliseconds of CPU time.
#pragma once

#include <signal.h>
#include <time.h>

#include <array>
#include <atomic>
#include <span>
#include <utility>

#include "core/interp/context.h"
#include "core/semantics/host/code_arena.h"

namespace tandem::jit {

struct Sample {
  u64 pc = 0;    // in the arena: of what runs, or is executed for it
  u64 page = 0;  // TierFrame::page
  // The indirect branch that was taken last, as TierFrame has it, and where it led.
  u32 branch_site = 0;
  u64 branch_target = 0;
};

class Sampler {
 public:
  // Samples of code in the arena are kept; context is asked for attention after each tick.
  Sampler(const semantics::CodeArena& arena, interp::Context& context) : arena_(arena), context_(context) {}
  ~Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  // Samples the calling thread from now on, and no other.
  void start();
  // CPU time of user code since the last time, as far as Linux has looked at it.
  bool has_user_ns() const { return user_ticks_.load(std::memory_order_relaxed) != 0; }
  u64 take_user_ns() { return user_ticks_.exchange(0, std::memory_order_relaxed) * kPeriodNs; }
  bool has_enough() const { return ticks_.load(std::memory_order_relaxed) >= kEnough; }
  // On the thread that is sampled. Valid until clear().
  std::span<const Sample> samples() const { return std::span(samples_).first(count_.load()); }
  // Of those, the ones that were not asked for before.
  std::span<const Sample> new_samples() {
    return samples().subspan(std::exchange(asked_for_, samples().size()));
  }
  void clear() {
    count_.store(0);
    ticks_.store(0);
    asked_for_ = 0;
  }

 private:
  static constexpr u64 kPeriodNs = 4'000'000;  // of the thread's CPU time, which Linux looks at by its ticks
  static constexpr std::size_t kEnough = 8, kMost = 64;

  static void on_signal(int signal, siginfo_t* info, void* context);
  void take(u64 pc);
  void stop();

  const semantics::CodeArena& arena_;
  interp::Context& context_;
  std::array<Sample, kMost> samples_{};
  std::atomic<std::size_t> count_{0};
  std::atomic<u32> user_ticks_{0};
  std::atomic<u32> ticks_{0};  // also those whose program counter was elsewhere
  std::size_t asked_for_ = 0;
  pid_t thread_ = 0;
  timer_t timer_{};
};

}  // namespace tandem::jit
