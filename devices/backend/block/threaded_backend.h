// A block back end that works on an image with a few threads.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "devices/backend/block/image.h"

namespace tandem::devices {

class ThreadedBlockBackend final : public BlockBackend {
 public:
  explicit ThreadedBlockBackend(std::unique_ptr<Image> image);
  ~ThreadedBlockBackend() override;

  BlockGeometry geometry() const override;
  void submit(BlockRequest request) override;
  bool read_now(u64 offset, const Buffers& to) override { return image_->read_now(offset, to); }
  Result<void> drain() override;

 private:
  void work();
  BlockStatus carry_out(const BlockRequest& request);

  std::unique_ptr<Image> image_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable work_, all_done_;
  std::deque<BlockRequest> queue_;
  unsigned under_way_ = 0;  // queued ones too
  unsigned idle_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tandem::devices
