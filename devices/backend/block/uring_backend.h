// A block back end on the host's io_uring: one thread hands over what lies plainly in a file, and takes what
// is done. What does not (clusters to be allocated or decompressed, tables to be read) goes to the threads
// that wait for the host.
#pragma once

#include <liburing.h>

#include "devices/backend/block/threaded_backend.h"

namespace tandem::devices {

class UringBlockBackend final : public BlockBackend {
 public:
  // Null, and the image stays where it is: the host has no io_uring for this process.
  static std::unique_ptr<BlockBackend> create(std::unique_ptr<Image>& image);
  ~UringBlockBackend() override;

  BlockGeometry geometry() const override { return threads_.geometry(); }
  void submit(BlockRequest request) override;
  bool read_now(u64 offset, const Buffers& to) override { return image_.read_now(offset, to); }
  Result<void> drain() override;

 private:
  using Done = std::function<void(BlockStatus)>;
  struct Ring {
    Ring();
    ~Ring();
    io_uring ring{};
    bool made = false;
  };
  UringBlockBackend(std::unique_ptr<Image> image, std::unique_ptr<Ring> ring, int wake_fd);

  void run();
  void accept(std::deque<BlockRequest>& requests);
  void prepare(std::unique_ptr<BlockRequest> request, int fd, u64 offset);
  void wait_for_wake();
  void complete(BlockRequest request, i32 result);
  void to_threads(BlockRequest request);
  void ended(const Done& done, BlockStatus status);

  Image& image_;  // of threads_
  ThreadedBlockBackend threads_;
  std::unique_ptr<Ring> ring_;  // of the thread alone
  unsigned in_ring_ = 0;
  const int wake_fd_;
  u64 wakes_ = 0;  // where the ring reads wake_fd_ to

  std::mutex mutex_;  // guards what follows
  std::condition_variable all_done_;
  std::deque<BlockRequest> arrived_;
  unsigned under_way_ = 0;  // arrived ones too
  bool asleep_ = false, stop_ = false;
  std::thread thread_;
};

// The best one that this host has.
std::unique_ptr<BlockBackend> make_block_backend(std::unique_ptr<Image> image);

}  // namespace tandem::devices
