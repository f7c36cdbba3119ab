#include "hwassist/kvm/host.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace tandem::hwassist::kvm {

namespace {

int result_of(int r) { return r < 0 ? -errno : r; }

class LinuxHost final : public Host {
 public:
  int open() override { return result_of(::open("/dev/kvm", O_RDWR | O_CLOEXEC)); }
  // SAFETY: see Fd::call.
  int call(int fd, unsigned long request, void* argument) override {
    return result_of(ioctl(fd, request, argument));
  }
  int call(int fd, unsigned long request, u64 argument) override {
    return result_of(ioctl(fd, request, argument));
  }
  void* map(int fd, u64 bytes) override {
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? nullptr : p;
  }
  void unmap(void* address, u64 bytes) override { munmap(address, bytes); }
  void close(int fd) override { ::close(fd); }
};

}  // namespace

std::shared_ptr<Host> make_host() { return std::make_shared<LinuxHost>(); }

}  // namespace tandem::hwassist::kvm
