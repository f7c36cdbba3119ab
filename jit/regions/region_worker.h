// The thread that compiles regions, one for all vCPUs of a process.
#pragma once

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
  void add(Finished f) {
    const std::lock_guard lock(mutex_);
    finished_.push_back(std::move(f));
  }
  std::vector<Finished> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(finished_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<Finished> finished_;
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
  // For the next run.
  void judge(const RegionKey& key, RegionVerdict verdict);
  Result<CompiledRegion> compile_now(const RegionPlan& plan, const Layout& layout);
  StepFigures figures();

 private:
  static constexpr std::size_t kMostWaiting = 16;

  void queue(std::function<void()> job);  // with mutex_ held
  void work();

  std::shared_ptr<RegionStore> store_;
  std::shared_ptr<RegionObserver> observer_;
  std::mutex compiler_mutex_;  // guards compiler_ and what it has
  std::unique_ptr<RegionCompiler> compiler_;
  std::mutex mutex_;  // guards what follows; never taken with the other
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool ends_ = false;
  std::thread thread_;  // once there was something to do
};

}  // namespace tandem::jit
