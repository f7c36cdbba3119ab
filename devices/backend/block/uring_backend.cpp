#include "devices/backend/block/uring_backend.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "core/base/assert.h"
#include "core/base/signals.h"

namespace tandem::devices {

namespace {
constexpr unsigned kEntries = 128;  // under way in the ring; more wait
}

UringBlockBackend::Ring::Ring() : made(io_uring_queue_init(kEntries + 1, &ring, 0) == 0) {}

UringBlockBackend::Ring::~Ring() {
  if (made) io_uring_queue_exit(&ring);
}

std::unique_ptr<BlockBackend> UringBlockBackend::create(std::unique_ptr<Image>& image) {
  auto ring = std::make_unique<Ring>();
  // Of the kernel that brought plain reads, too (5.6).
  if (!ring->made || !(ring->ring.features & IORING_FEAT_RW_CUR_POS)) return nullptr;
  const int wake_fd = eventfd(0, EFD_CLOEXEC);
  if (wake_fd < 0) return nullptr;
  return std::unique_ptr<BlockBackend>(new UringBlockBackend(std::move(image), std::move(ring), wake_fd));
}

UringBlockBackend::UringBlockBackend(std::unique_ptr<Image> image, std::unique_ptr<Ring> ring, int wake_fd)
    : image_(*image), threads_(std::move(image)), ring_(std::move(ring)), wake_fd_(wake_fd) {
  thread_ = std::thread([this] { run(); });
}

UringBlockBackend::~UringBlockBackend() {
  {
    std::unique_lock lock(mutex_);
    all_done_.wait(lock, [this] { return under_way_ == 0; });
    stop_ = true;
  }
  eventfd_write(wake_fd_, 1);
  thread_.join();
  close(wake_fd_);
}

void UringBlockBackend::submit(BlockRequest request) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    arrived_.push_back(std::move(request));
    ++under_way_;
    wake = std::exchange(asleep_, false);
  }
  if (wake) eventfd_write(wake_fd_, 1);
}

Result<void> UringBlockBackend::drain() {
  {
    std::unique_lock lock(mutex_);
    all_done_.wait(lock, [this] { return under_way_ == 0; });
  }
  return threads_.drain();
}

void UringBlockBackend::ended(const Done& done, BlockStatus status) {
  if (done) done(status);
  std::lock_guard lock(mutex_);
  if (--under_way_ == 0) all_done_.notify_all();
}

void UringBlockBackend::to_threads(BlockRequest request) {
  request.done = [this, done = std::move(request.done)](BlockStatus status) { ended(done, status); };
  threads_.submit(std::move(request));
}

void UringBlockBackend::prepare(std::unique_ptr<BlockRequest> request, int fd, u64 offset) {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_->ring);
  const BlockRequest& r = *request;
  const unsigned pieces = static_cast<unsigned>(r.buffers.size());
  switch (r.op) {
    case BlockOp::Read: io_uring_prep_readv(sqe, fd, r.buffers.data(), pieces, offset); break;
    case BlockOp::Write: io_uring_prep_writev(sqe, fd, r.buffers.data(), pieces, offset); break;
    default: io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC); break;
  }
  io_uring_sqe_set_data(sqe, request.release());
  ++in_ring_;
}

// Takes requests from the front as far as the ring has room.
void UringBlockBackend::accept(std::deque<BlockRequest>& requests) {
  while (!requests.empty() && in_ring_ < kEntries) {
    BlockRequest r = std::move(requests.front());
    requests.pop_front();
    const auto place = r.buffers.size() <= IOV_MAX ? image_.place(r.op, r.offset, r.length) : std::nullopt;
    if (place) prepare(std::make_unique<BlockRequest>(std::move(r)), place->fd, place->offset);
    else to_threads(std::move(r));
  }
}

// What did not go through as a whole, for whatever reason, is done again by those who know all cases.
void UringBlockBackend::complete(BlockRequest r, i32 result) {
  --in_ring_;
  if (result >= 0 && static_cast<u64>(result) == (r.op == BlockOp::Flush ? 0 : r.length))
    return ended(r.done, BlockStatus::Ok);
  to_threads(std::move(r));
}

void UringBlockBackend::wait_for_wake() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_->ring);
  io_uring_prep_read(sqe, wake_fd_, &wakes_, sizeof wakes_, 0);
  io_uring_sqe_set_data(sqe, nullptr);
}

void UringBlockBackend::run() {
  block_signals();
  wait_for_wake();
  std::deque<BlockRequest> requests;
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      for (BlockRequest& r : arrived_) requests.push_back(std::move(r));
      arrived_.clear();
      if (stop_) return;
      asleep_ = true;
    }
    accept(requests);
    const int submitted = io_uring_submit_and_wait(&ring_->ring, 1);
    ensure(submitted >= 0 || submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY,
           "io_uring takes what it was given");
    for (io_uring_cqe* cqe = nullptr; io_uring_peek_cqe(&ring_->ring, &cqe) == 0;) {
      const std::unique_ptr<BlockRequest> request(static_cast<BlockRequest*>(io_uring_cqe_get_data(cqe)));
      const i32 result = cqe->res;
      io_uring_cqe_seen(&ring_->ring, cqe);
      if (request) complete(std::move(*request), result);
      else wait_for_wake();
    }
  }
}

std::unique_ptr<BlockBackend> make_block_backend(std::unique_ptr<Image> image) {
  if (auto ring = UringBlockBackend::create(image)) return ring;
  return std::make_unique<ThreadedBlockBackend>(std::move(image));
}

}  // namespace tandem::devices
