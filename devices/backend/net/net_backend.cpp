#include "devices/backend/net/net_backend.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/signals.h"

namespace tandem::devices {

namespace {

// What a guest that takes nothing costs at most; more is lost, as on a wire.
constexpr u64 kMaxBacklog = 8 * MiB;

}  // namespace

NetBackend::NetBackend(std::unique_ptr<Network> network, std::unique_ptr<PcapFile> capture)
    : wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      network_(std::move(network)),
      capture_(std::move(capture)) {
  network_->connect([this](Frame frame) { to_guest(frame); });
  thread_ = std::thread([this] { run(); });
}

NetBackend::~NetBackend() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  asleep_ = true;
  wake();
  thread_.join();
  close(wake_fd_);
}

void NetBackend::attach(NetPort* port) {
  // The thread waits without the lock, but takes it again for whatever comes.
  std::lock_guard lock(mutex_);
  port_ = port;
  backlog_.clear();
  backlog_bytes_ = 0;
  asleep_ = true;
  wake();
}

void NetBackend::wake() {
  if (!asleep_.exchange(false)) return;
  const u64 one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_fd_, &one, sizeof one);
}

Result<void> NetBackend::forward(const Forward& what) {
  std::lock_guard lock(mutex_);
  TANDEM_TRY(network_->forward(what));
  asleep_ = true;
  wake();
  return {};
}

void NetBackend::to_guest(Frame frame) {
  if (!port_) return;
  if (capture_) capture_->add(frame);
  if (backlog_.empty() && port_->deliver(frame)) return;
  if (backlog_bytes_ + frame.size() > kMaxBacklog) return;
  backlog_.emplace_back(frame.begin(), frame.end());
  backlog_bytes_ += frame.size();
}

void NetBackend::serve_port() {
  while (!backlog_.empty() && port_->deliver(backlog_.front())) {
    backlog_bytes_ -= backlog_.front().size();
    backlog_.pop_front();
  }
  port_->collect([this](Frame frame) {
    if (capture_) capture_->add(frame);
    network_->send(frame);
  });
  if (capture_) capture_->flush();
}

void NetBackend::wait(std::unique_lock<std::mutex>& lock) {
  fds_.assign(1, {wake_fd_, POLLIN, 0});
  int timeout = -1;
  // While the guest takes nothing, nothing is fetched for it.
  const bool networking = port_ && backlog_.empty();
  if (networking) network_->prepare(fds_, timeout);
  lock.unlock();
  poll(fds_.data(), fds_.size(), timeout);
  lock.lock();
  asleep_ = false;
  u64 count;
  [[maybe_unused]] const ssize_t n = read(wake_fd_, &count, sizeof count);
  if (networking) network_->handle(std::span(fds_).subspan(1));
}

void NetBackend::run() {
  block_signals();
  std::unique_lock lock(mutex_);
  while (!stop_) {
    asleep_ = true;  // from here on, wake() really wakes
    if (port_) serve_port();
    wait(lock);
  }
}

}  // namespace tandem::devices
