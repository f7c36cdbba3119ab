// Short ways into the kernel and back.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "tools/bench/workloads/measure.h"
#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

class Getppid {
 public:
  void once() { answer_ = syscall(SYS_getppid); }
  u64 checksum() const { return answer_ == parent_; }

 private:
  long parent_ = getppid();
  long answer_ = 0;
};

// Through the vDSO where the kernel lets it read its clock, as a system call elsewhere.
class Clock {
 public:
  void once() {
    const u64 now = monotonic_ns();
    forwards_ = forwards_ && now >= last_;
    last_ = now;
  }
  u64 checksum() const { return forwards_; }

 private:
  u64 last_ = 0;
  bool forwards_ = true;
};

class ReadZero {
 public:
  ReadZero() : file_(open("/dev/zero", O_RDONLY | O_CLOEXEC)) { require(file_ >= 0, "/dev/zero"); }
  ~ReadZero() { close(file_); }
  ReadZero(const ReadZero&) = delete;
  ReadZero& operator=(const ReadZero&) = delete;
  void once() { got_ = read(file_, buffer_.data(), buffer_.size()); }
  u64 checksum() const { return hash(std::span<const u8>(buffer_)) ^ static_cast<u64>(got_); }

 private:
  int file_;
  ssize_t got_ = 0;
  std::array<u8, 4096> buffer_{};
};

}  // namespace

Workload getppid_call() { return make_workload<Getppid>("getppid", "system"); }
Workload clock_call() { return make_workload<Clock>("clock-gettime", "system"); }
Workload read_zero() { return make_workload<ReadZero>("read-zero-4k", "system"); }

}  // namespace tandem::bench
