#include "devices/virtio/served_model.h"

#include <bit>

#include "core/base/signals.h"

namespace tandem::devices::virtio {

void ServedModel::start_serving() {
  thread_ = std::thread([this] { work(); });
}

void ServedModel::stop_serving() {
  {
    const auto held = lock();
    stop_ = true;
    wanted_.notify_one();
  }
  thread_.join();
}

Result<void> ServedModel::quiesce() {
  auto held = lock();
  rested_.wait(held, [this] { return !busy_ && !kicked_; });
  return {};
}

void ServedModel::kicked(unsigned queue) {
  kicked_ |= u64{1} << queue;
  wanted_.notify_one();
}

void ServedModel::work() {
  block_signals();
  auto held = lock();
  for (;;) {
    wanted_.wait(held, [this] { return kicked_ || stop_; });
    if (stop_) return;
    busy_ = true;
    const unsigned queue = static_cast<unsigned>(std::countr_zero(kicked_));
    kicked_ &= kicked_ - 1;
    empty(queue, held);
    busy_ = false;
    rested_.notify_all();
  }
}

void ServedModel::empty(unsigned queue, std::unique_lock<std::mutex>& held) {
  while (!stop_ && take(queue, chain_)) {
    hold();
    held.unlock();
    const u32 bytes = serve(queue, chain_);
    held.lock();
    complete(queue, chain_, bytes);
    release();
  }
}

}  // namespace tandem::devices::virtio
