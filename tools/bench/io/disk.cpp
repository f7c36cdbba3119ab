#include "tools/bench/io/disk.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <memory>
#include <vector>

#include "tools/bench/io/transfer.h"

namespace tandem::bench {

namespace {

constexpr u64 kCachedPiece = 64 * KiB;
constexpr long kDepth = 16;

enum class Way : bool { Read, Write };

u64 in_order(const std::string& device, u64 bytes, Way way, int flags, u64 piece) {
  const Descriptor fd(open(device.c_str(), O_RDWR | flags), device.c_str());
  const AlignedBytes data = aligned_bytes(piece);
  const u64 start = monotonic_ns();
  for (u64 at = 0; at < bytes; at += piece) {
    const auto offset = static_cast<off_t>(at);
    const ssize_t n = way == Way::Read ? pread(fd.get(), data.get(), piece, offset)
                                       : pwrite(fd.get(), data.get(), piece, offset);
    must(n == static_cast<ssize_t>(piece), "transfer");
  }
  if (way == Way::Write) must(fsync(fd.get()) == 0, "fsync");
  return monotonic_ns() - start;
}

u64 size_of(const Descriptor& fd) {
  u64 bytes = 0;
  // SAFETY: BLKGETSIZE64 writes one u64.
  must(ioctl(fd.get(), BLKGETSIZE64, &bytes) == 0, "size");
  return bytes;
}

// Places that no read-ahead guesses, the same in each run (Knuth's MMIX generator).
class Places {
 public:
  explicit Places(u64 blocks) : blocks_(blocks) {}
  u64 next() {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return (state_ >> 33) % blocks_ * kBlock;
  }

 private:
  u64 blocks_, state_ = 1;
};

u64 anywhere(const std::string& device, u64 count, Way way) {
  const Descriptor fd(open(device.c_str(), O_RDWR | O_DIRECT), device.c_str());
  Places places(size_of(fd) / kBlock);
  const AlignedBytes data = aligned_bytes(kBlock);
  const u64 start = monotonic_ns();
  for (u64 i = 0; i < count; ++i) {
    const auto offset = static_cast<off_t>(places.next());
    const ssize_t n = way == Way::Read ? pread(fd.get(), data.get(), kBlock, offset)
                                       : pwrite(fd.get(), data.get(), kBlock, offset);
    must(n == static_cast<ssize_t>(kBlock), "transfer");
  }
  return monotonic_ns() - start;
}

}  // namespace

u64 read_in_order(const std::string& device, u64 bytes) {
  return in_order(device, bytes, Way::Read, O_DIRECT, kPiece);
}
u64 read_pieces_in_order(const std::string& device, u64 count) {
  return in_order(device, count * kBlock, Way::Read, O_DIRECT, kBlock);
}
u64 write_in_order(const std::string& device, u64 bytes) {
  return in_order(device, bytes, Way::Write, O_DIRECT, kPiece);
}
u64 read_cached(const std::string& device, u64 bytes) {
  {
    const Descriptor fd(open(device.c_str(), O_RDONLY), device.c_str());
    must(ioctl(fd.get(), BLKFLSBUF) == 0, "drop the cache");
  }
  return in_order(device, bytes, Way::Read, 0, kCachedPiece);
}
u64 write_cached(const std::string& device, u64 bytes) {
  return in_order(device, bytes, Way::Write, 0, kCachedPiece);
}
u64 read_anywhere(const std::string& device, u64 count) { return anywhere(device, count, Way::Read); }
u64 write_anywhere(const std::string& device, u64 count) { return anywhere(device, count, Way::Write); }

u64 read_many_anywhere(const std::string& device, u64 count) {
  const Descriptor fd(open(device.c_str(), O_RDONLY | O_DIRECT), device.c_str());
  Places places(size_of(fd) / kBlock);
  const AlignedBytes data = aligned_bytes(kBlock * kDepth);
  aio_context_t context = 0;
  must(syscall(SYS_io_setup, kDepth, &context) == 0, "io_setup");
  std::vector<iocb> requests(kDepth);
  std::vector<io_event> events(kDepth);
  const auto submit = [&](u64 slot) {
    iocb& r = requests[slot] = {};
    r.aio_data = slot;
    r.aio_lio_opcode = IOCB_CMD_PREAD;
    r.aio_fildes = static_cast<u32>(fd.get());
    // SAFETY: the kernel takes the address of the buffer as a number.
    r.aio_buf = reinterpret_cast<u64>(data.get() + slot * kBlock);
    r.aio_nbytes = kBlock;
    r.aio_offset = static_cast<i64>(places.next());
    iocb* one = &r;
    must(syscall(SYS_io_submit, context, 1, &one) == 1, "io_submit");
  };
  const u64 start = monotonic_ns();
  u64 begun = 0, ended = 0;
  for (u64 slot = 0; slot < kDepth && begun < count; ++slot, ++begun) submit(slot);
  while (ended < count) {
    const long n = syscall(SYS_io_getevents, context, 1, kDepth, events.data(), nullptr);
    must(n > 0, "io_getevents");
    for (long i = 0; i < n; ++i, ++ended) {
      const io_event& e = events[static_cast<u64>(i)];
      must(e.res == static_cast<i64>(kBlock), "transfer");
      if (begun < count) submit(e.data), ++begun;
    }
  }
  const u64 taken = monotonic_ns() - start;
  syscall(SYS_io_destroy, context);
  return taken;
}

}  // namespace tandem::bench
