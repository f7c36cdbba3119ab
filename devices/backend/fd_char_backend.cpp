#include "devices/backend/fd_char_backend.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "core/base/signals.h"

namespace tandem::devices {

namespace {

constexpr size_t kFull = 64 * KiB;  // can_write() is false from here
constexpr size_t kLost = 1 * MiB;   // a guest that writes on loses its output from here
constexpr size_t kPiece = 4 * KiB;
constexpr size_t kInputBuffer = 4 * KiB;
constexpr u8 kEscape = 0x1d;                            // Ctrl-]
constexpr auto kGather = std::chrono::milliseconds(1);  // output of so long goes out in one call

}  // namespace

FdCharBackend::FdCharBackend(Config config)
    : config_(std::move(config)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { run(); }) {}

FdCharBackend::~FdCharBackend() {
  flush();
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  asleep_ = true;
  wake();
  thread_.join();
  if (config_.restore_terminal) tcsetattr(config_.input, TCSANOW, &*config_.restore_terminal);
  close_connection();
  for (int fd : {config_.listener, config_.keep_open, wake_fd_})
    if (fd >= 0) close(fd);
  if (!config_.unlink_path.empty()) unlink(config_.unlink_path.c_str());
}

void FdCharBackend::attach(CharReceiver* receiver) {
  {
    std::lock_guard lock(receiver_mutex_);
    receiver_ = receiver;
  }
  wake();
}

void FdCharBackend::wake() {
  if (!asleep_.exchange(false)) return;
  const u64 one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_fd_, &one, sizeof one);
}

void FdCharBackend::write(std::span<const u8> bytes) {
  {
    std::lock_guard lock(mutex_);
    if (pending_.size() + bytes.size() > (config_.lossy ? kFull : kLost)) return;
    pending_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!config_.lossy && pending_.size() >= kFull) full_ = true;
  }
  wake();
}

void FdCharBackend::flush() {
  std::unique_lock lock(mutex_);
  // A host that takes nothing for a while takes nothing at all.
  size_t left = pending_.size();
  while (!pending_.empty() || writing_) {
    asleep_ = true;
    wake();
    if (!drained_.wait_for(lock, std::chrono::seconds(1), [&] { return pending_.empty() && !writing_; }) &&
        pending_.size() >= left)
      return;
    left = pending_.size();
  }
}

// Writes what is pending, as far as the host takes it without blocking. The lock is free meanwhile.
void FdCharBackend::drain() {
  std::unique_lock lock(mutex_);
  if (!connected() && config_.listener >= 0) pending_.clear();  // nobody listens
  output_blocked_ = false;
  while (!pending_.empty() && !output_blocked_) {
    std::string chunk = std::move(pending_);
    pending_.clear();
    writing_ = true;
    lock.unlock();
    const size_t done = write_some(chunk);
    lock.lock();
    writing_ = false;
    pending_.insert(0, chunk, done);
  }
  if (pending_.empty()) drained_.notify_all();
  const bool was_full = full_;
  if (pending_.size() < kFull / 2) full_ = false;
  lock.unlock();
  if (!was_full || full_) return;
  std::lock_guard receiver_lock(receiver_mutex_);
  if (receiver_) receiver_->writable();
}

size_t FdCharBackend::write_some(std::string_view bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    pollfd fd{config_.output, POLLOUT, 0};
    if (poll(&fd, 1, 0) == 0) {
      output_blocked_ = true;
      return done;
    }
    // So much fits into a pipe that says it is writable.
    const ssize_t n = ::write(config_.output, bytes.data() + done, std::min(bytes.size() - done, kPiece));
    if (n < 0 && errno != EAGAIN && errno != EINTR) return bytes.size();  // the other end has gone
    if (n > 0) done += static_cast<size_t>(n);
  }
  return done;
}

bool FdCharBackend::deliver() {
  std::lock_guard lock(receiver_mutex_);
  if (!receiver_) return false;
  const size_t n = std::min(receiver_->room(), input_.size());
  if (n) receiver_->receive({reinterpret_cast<const u8*>(input_.data()), n});
  input_.erase(0, n);
  return n && !input_.empty();
}

void FdCharBackend::fill() {
  char buffer[kInputBuffer];
  const ssize_t n = read(config_.input, buffer, sizeof buffer - input_.size());
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    if (config_.listener >= 0) return close_connection();
    if (config_.keep_open >= 0 && n < 0) return;
    if (!config_.restore_terminal) close(config_.input);
    if (!config_.restore_terminal) config_.input = -1;  // end of the input
    return;
  }
  for (ssize_t i = 0; i < n; ++i) {
    if (config_.on_escape && static_cast<u8>(buffer[i]) == kEscape) config_.on_escape();
    else input_.push_back(buffer[i]);
  }
}

void FdCharBackend::accept_connection() {
  const int fd = accept4(config_.listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  config_.input = fd;
  config_.output = fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

void FdCharBackend::close_connection() {
  if (config_.input >= 0) close(config_.input);
  if (config_.output >= 0) close(config_.output);
  config_.input = config_.output = -1;
}

void FdCharBackend::wait(bool want_input) {
  pollfd fds[3] = {{wake_fd_, POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLOUT, 0}};
  if (config_.listener >= 0 && !connected()) fds[1].fd = config_.listener;
  else if (want_input) fds[1].fd = config_.input;
  if (output_blocked_) fds[2].fd = config_.output;
  poll(fds, 3, -1);
  asleep_ = false;
  u64 count;
  [[maybe_unused]] const ssize_t n = read(wake_fd_, &count, sizeof count);
  if (!fds[1].revents) return;
  if (fds[1].fd == config_.listener) accept_connection();
  else fill();
}

void FdCharBackend::run() {
  block_signals();
  for (;;) {
    asleep_ = true;  // from here on, wake() really wakes
    {
      std::lock_guard lock(mutex_);
      if (stop_) return;
    }
    drain();
    while (deliver()) {
    }
    wait(input_.size() < kInputBuffer / 2);
    std::this_thread::sleep_for(kGather);
  }
}

}  // namespace tandem::devices
