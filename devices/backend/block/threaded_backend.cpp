#include "devices/backend/block/threaded_backend.h"

#include "core/base/bits.h"
#include "core/base/signals.h"

namespace tandem::devices {

namespace {
constexpr std::size_t kMaxThreads = 8;
}

ThreadedBlockBackend::ThreadedBlockBackend(std::unique_ptr<Image> image) : image_(std::move(image)) {}

ThreadedBlockBackend::~ThreadedBlockBackend() {
  {
    std::unique_lock lock(mutex_);
    all_done_.wait(lock, [this] { return under_way_ == 0; });
    stop_ = true;
  }
  work_.notify_all();
  for (std::thread& t : threads_) t.join();
}

BlockGeometry ThreadedBlockBackend::geometry() const {
  return {align_down(image_->size(), kSectorSize), !image_->writable()};
}

void ThreadedBlockBackend::submit(BlockRequest request) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(request));
    ++under_way_;
    if (queue_.size() > idle_ && threads_.size() < kMaxThreads) threads_.emplace_back([this] { work(); });
  }
  work_.notify_one();  // without the lock, or the thread that wakes would wait for it
}

Result<void> ThreadedBlockBackend::drain() {
  {
    std::unique_lock lock(mutex_);
    all_done_.wait(lock, [this] { return under_way_ == 0; });
  }
  if (image_->writable() && !image_->flush()) return host_error(image_->path() + ": can't be written");
  return {};
}

BlockStatus ThreadedBlockBackend::carry_out(const BlockRequest& r) {
  switch (r.op) {
    case BlockOp::Read: return image_->read(r.offset, r.buffers);
    case BlockOp::Write: return image_->write(r.offset, r.buffers);
    case BlockOp::Flush: return image_->flush();
    case BlockOp::Discard: return image_->discard(r.offset, r.length);
    case BlockOp::WriteZeroes: return image_->write_zeroes(r.offset, r.length);
  }
  return BlockStatus::IoError;
}

void ThreadedBlockBackend::work() {
  block_signals();
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    work_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    --idle_;
    if (queue_.empty()) return;
    BlockRequest request = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    const BlockStatus status = carry_out(request);
    if (request.done) request.done(status);
    request = {};
    lock.lock();
    if (--under_way_ == 0) all_done_.notify_all();
  }
}

}  // namespace tandem::devices
