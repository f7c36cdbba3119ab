#include "jit/regions/region_worker.h"

#include <sys/resource.h>
#include <unistd.h>

namespace tandem::jit {

namespace {

// Where processors are few, the vCPUs come first.
void lower_priority() {
  constexpr int kNicer = 5;
  const auto thread = static_cast<id_t>(gettid());
  setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + kNicer);
}

}  // namespace

RegionWorker::~RegionWorker() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool RegionWorker::submit(u64 id, RegionPlan plan, const Layout& layout,
                          std::shared_ptr<FinishedRegions> to) {
  const std::lock_guard lock(mutex_);
  if (jobs_.size() == kMostWaiting) return false;
  queue([this, id, plan = std::move(plan), layout, to = std::move(to)] {
    to->add({id, compile_now(plan, layout)});
  });
  return true;
}

void RegionWorker::get_ready() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(gets_ready_, true)) return;
  queue([this] {
    if (store_) store_->fill_index();
    const std::lock_guard compiler(compiler_mutex_);
    // Who compiles is told of an error.
    static_cast<void>(make_compiler());
  });
}

void RegionWorker::judge(const RegionKey& key, RegionVerdict verdict) {
  if (!store_) return;
  const std::lock_guard lock(mutex_);
  queue([this, key, verdict] {
    const std::lock_guard compiler(compiler_mutex_);
    store_->judge(key, verdict);
  });
}

void RegionWorker::queue(std::function<void()> job) {
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  jobs_.push_back(std::move(job));
  wake_.notify_one();
}

void RegionWorker::work() {
  lower_priority();
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return ends_ || !jobs_.empty(); });
    if (ends_) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

Result<CompiledRegion> RegionWorker::compile_now(const RegionPlan& plan, const Layout& layout) {
  const std::lock_guard lock(compiler_mutex_);
  TANDEM_TRY(make_compiler());
  return compiler_->compile(plan, layout, observer_.get());
}

Result<void> RegionWorker::make_compiler() {
  if (compiler_) return {};
  TANDEM_TRY_ASSIGN(compiler, RegionCompiler::create(store_));
  compiler_ = std::move(compiler);
  return {};
}

StepFigures RegionWorker::figures() {
  const std::lock_guard lock(compiler_mutex_);
  return compiler_ ? compiler_->figures() : StepFigures{};
}

}  // namespace tandem::jit
