// A file descriptor of the host that is closed with its owner.
#pragma once

#include <unistd.h>

#include <utility>

namespace tandem {

class HostFd {
 public:
  HostFd() = default;
  explicit HostFd(int fd) : fd_(fd) {}
  HostFd(HostFd&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  HostFd& operator=(HostFd&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~HostFd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

}  // namespace tandem
