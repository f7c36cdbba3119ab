// The thread that compiles regions, one for all vCPUs of a process.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "jit/llvm/compiler.h"

namespace tandem::jit {

// Where a vCPU finds what was compiled for it.
class FinishedRegions {
 public:
  struct Finished {
    u64 id;
    Result<CompiledRegion> region;
  };
  // tell: called by add() on its thread, until forget_reader().
  explicit FinishedRegions(std::function<void()> tell) : tell_(std::move(tell)) {}
  void add(Finished f) {
    const std::lock_guard lock(mutex_);
    finished_.push_back(std::move(f));
    any_.store(true, std::memory_order_relaxed);
    if (tell_) tell_();
  }
  bool any() const { return any_.load(std::memory_order_relaxed); }
  std::vector<Finished> take() {
    const std::lock_guard lock(mutex_);
    any_.store(false, std::memory_order_relaxed);
    return std::exchange(finished_, {});
  }
  void forget_reader() {
    const std::lock_guard lock(mutex_);
    tell_ = {};
  }

 private:
  std::mutex mutex_;
  std::atomic<bool> any_{false};
  std::vector<Finished> finished_;
  std::function<void()> tell_;
};

class RegionWorker {
 public:
  // Both may be null.
  RegionWorker(std::shared_ptr<RegionStore> store, std::shared_ptr<RegionObserver> observer)
      : store_(std::move(store)), observer_(std::move(observer)) {}
  ~RegionWorker();
  RegionWorker(const RegionWorker&) = delete;
  RegionWorker& operator=(const RegionWorker&) = delete;

  // All of any thread.
  // False: too many wait already.
  bool submit(u64 id, RegionPlan plan, const Layout& layout, std::shared_ptr<FinishedRegions> to);
  // What the store has that this block is part of (RegionIndex::with_block).
  RegionIndex::Outlines stored_with(const PlanSettings& settings, u64 offset,
                                    std::span<const u8> bytes) const {
    return store_ ? store_->index().with_block(settings, offset, bytes) : RegionIndex::Outlines{};
  }
  // Reads the store's index and sets LLVM up, once, before they are needed.
  void get_ready();
  // For the next run.
  void judge(const RegionKey& key, RegionVerdict verdict);
  Result<CompiledRegion> compile_now(const RegionPlan& plan, const Layout& layout);
  StepFigures figures();

 private:
  static constexpr std::size_t kMostWaiting = 16;

  void queue(std::function<void()> job);  // with mutex_ held
  Result<void> make_compiler();           // with compiler_mutex_ held
  void work();

  std::shared_ptr<RegionStore> store_;
  std::shared_ptr<RegionObserver> observer_;
  std::mutex compiler_mutex_;  // guards compiler_ and what it has
  std::unique_ptr<RegionCompiler> compiler_;
  std::mutex mutex_;  // guards what follows; never taken with the other
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool ends_ = false, gets_ready_ = false;
  std::thread thread_;  // once there was something to do
};

}  // namespace tandem::jit
