// The system calls by which KVM is reached: a fake one stands in for them in tests.
#pragma once

#include <memory>

#include "core/base/types.h"

namespace tandem::hwassist::kvm {

// Errors are negative errno values.
class Host {
 public:
  virtual ~Host() = default;
  virtual int open() = 0;  // /dev/kvm
  virtual int call(int fd, unsigned long request, void* argument) = 0;
  virtual int call(int fd, unsigned long request, u64 argument) = 0;
  virtual void* map(int fd, u64 bytes) = 0;  // shared; null: the host refused
  virtual void unmap(void* address, u64 bytes) = 0;
  virtual void close(int fd) = 0;
};

std::shared_ptr<Host> make_host();

// A descriptor of a Host, closed with it.
class Fd {
 public:
  Fd() = default;
  Fd(std::shared_ptr<Host> host, int fd) : host_(std::move(host)), fd_(fd) {}
  Fd(Fd&& o) noexcept : host_(std::move(o.host_)), fd_(o.fd_) { o.fd_ = -1; }
  Fd& operator=(Fd&& o) noexcept {
    std::swap(host_, o.host_);
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) host_->close(fd_);
  }
  int get() const { return fd_; }
  Host& host() const { return *host_; }
  const std::shared_ptr<Host>& shared_host() const { return host_; }
  // argument: a pointer to what the request takes, or an integer.
  template <class T>
  int call(unsigned long request, T* argument) const {
    // SAFETY: the request's number carries the size of what the kernel reads and writes; each caller gives
    // the structure of its request.
    return host_->call(fd_, request, static_cast<void*>(const_cast<std::remove_const_t<T>*>(argument)));
  }
  int call(unsigned long request, u64 argument = 0) const { return host_->call(fd_, request, argument); }

 private:
  std::shared_ptr<Host> host_;
  int fd_ = -1;
};

}  // namespace tandem::hwassist::kvm
