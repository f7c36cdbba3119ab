#include "devices/backend/block/image_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace tandem::devices {

namespace {

BlockStatus status_of(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return BlockStatus::NoSpace;
    case EBADF:
    case EROFS:
    case EPERM: return BlockStatus::ReadOnly;
    default: return BlockStatus::IoError;
  }
}

// The host takes so many pieces a call.
constexpr std::size_t kPieces = IOV_MAX;

// Calls transfer(pieces, offset) until all is through; gives bytes done, or -1 with errno.
template <class Transfer>
i64 transfer_all(Buffers left, u64 offset, Transfer transfer) {
  u64 done = 0;
  for (std::size_t first = 0; first < left.size();) {
    const int count = static_cast<int>(std::min(left.size() - first, kPieces));
    const ssize_t n = transfer(left.data() + first, count, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    done += static_cast<u64>(n);
    u64 rest = static_cast<u64>(n);
    while (first < left.size() && rest >= left[first].iov_len) rest -= left[first++].iov_len;
    if (rest) {
      left[first].iov_base = static_cast<u8*>(left[first].iov_base) + rest;
      left[first].iov_len -= rest;
    }
  }
  return static_cast<i64>(done);
}

// One byte a permission, as QEMU's raw driver has it (block/file-posix.c): who holds a permission locks its
// byte at 100, who can't share it the one at 200. All are read locks; conflicts are found by looking.
enum Permission : u64 { kRead = 0, kWrite = 1, kResize = 3 };
constexpr u64 kHeldBase = 100, kUnsharedBase = 200;

struct flock byte_lock(short type, u64 at) {
  struct flock l{};
  l.l_type = type;
  l.l_whence = SEEK_SET;
  l.l_start = static_cast<off_t>(at);
  l.l_len = 1;
  return l;
}

enum class Lock { Held, Refused, NoLocks };

Lock hold(int fd, u64 at) {
  struct flock l = byte_lock(F_RDLCK, at);
  if (fcntl(fd, F_OFD_SETLK, &l) == 0) return Lock::Held;
  return errno == EAGAIN || errno == EACCES ? Lock::Refused : Lock::NoLocks;
}

bool held_by_another(int fd, u64 at) {
  struct flock l = byte_lock(F_WRLCK, at);
  return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

std::vector<Permission> held(bool writable) {
  return writable ? std::vector{kRead, kWrite, kResize} : std::vector{kRead};
}
constexpr Permission kUnshared[] = {kWrite, kResize};

}  // namespace

Result<ImageFile> ImageFile::open(const std::string& path, bool writable) {
  const int fd = ::open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  if (fd < 0) return user_error(fmt::format("{}: {}", path, std::strerror(errno)));
  ImageFile file(path, fd, writable);
  struct stat st{};
  if (fstat(fd, &st) != 0) return user_error(fmt::format("{}: {}", path, std::strerror(errno)));
  if (S_ISDIR(st.st_mode)) return user_error(path + ": is a folder");
  if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
    return user_error(path + ": is neither a file nor a block device");
  TANDEM_TRY(file.lock());
  return file;
}

Result<ImageFile> ImageFile::create(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return user_error(fmt::format("{}: {}", path, std::strerror(errno)));
  ImageFile file(path, fd, true);
  TANDEM_TRY(file.lock());
  return file;
}

Result<ImageFile> ImageFile::create_unnamed() {
  const char* folder = std::getenv("TMPDIR");
  const std::string name = std::string(folder && *folder ? folder : "/var/tmp") + "/tandem-XXXXXX";
  std::vector<char> path(name.begin(), name.end() + 1);
  const int fd = mkostemp(path.data(), O_CLOEXEC);
  if (fd < 0) return host_error(fmt::format("snapshot: {}: {}", name, std::strerror(errno)));
  unlink(path.data());
  return ImageFile(path.data(), fd, true);
}

ImageFile::ImageFile(ImageFile&& o) noexcept
    : path_(std::move(o.path_)), fd_(std::exchange(o.fd_, -1)), writable_(o.writable_) {}

ImageFile& ImageFile::operator=(ImageFile&& o) noexcept {
  std::swap(path_, o.path_);
  std::swap(fd_, o.fd_);
  std::swap(writable_, o.writable_);
  return *this;
}

ImageFile::~ImageFile() {
  if (fd_ >= 0) close(fd_);
}

Result<void> ImageFile::lock() {
  const Error refused =
      user_error(path_ + (writable_ ? ": is open elsewhere; only one may have it for writing"
                                    : ": is open for writing elsewhere"));
  const auto take = [&](u64 at, bool& locks) {
    const Lock l = hold(fd_, at);
    locks &= l != Lock::NoLocks;
    return l != Lock::Refused;
  };
  bool locks = true;
  for (const Permission p : held(writable_))
    if (!take(kHeldBase + p, locks)) return refused;
  for (const Permission p : kUnshared)
    if (!take(kUnsharedBase + p, locks)) return refused;
  if (!locks) return {};  // a file system without locks
  for (const Permission p : held(writable_))
    if (held_by_another(fd_, kUnsharedBase + p)) return refused;
  for (const Permission p : kUnshared)
    if (held_by_another(fd_, kHeldBase + p)) return refused;
  return {};
}

u64 ImageFile::size() const {
  struct stat st{};
  if (fstat(fd_, &st) == 0 && S_ISREG(st.st_mode)) return static_cast<u64>(st.st_size);
  const off_t end = lseek(fd_, 0, SEEK_END);
  return end < 0 ? 0 : static_cast<u64>(end);
}

bool ImageFile::same_as(const ImageFile& other) const {
  struct stat a{}, b{};
  return fstat(fd_, &a) == 0 && fstat(other.fd_, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool ImageFile::read_now(u64 offset, const Buffers& to) const {
  if (to.size() > kPieces) return false;
  const ssize_t n =
      preadv2(fd_, to.data(), static_cast<int>(to.size()), static_cast<off_t>(offset), RWF_NOWAIT);
  return n >= 0 && static_cast<u64>(n) == total_size(to);
}

BlockStatus ImageFile::read(u64 offset, const Buffers& to) const {
  const i64 n = transfer_all(
      to, offset, [this](const iovec* v, int count, off_t at) { return preadv(fd_, v, count, at); });
  if (n < 0) return status_of(errno);
  const u64 done = static_cast<u64>(n), wanted = total_size(to);
  if (done < wanted) fill_zero(slice(to, done, wanted - done));
  return BlockStatus::Ok;
}

BlockStatus ImageFile::read_exactly(u64 offset, std::span<u8> to) const {
  const i64 n = transfer_all({buffer(to)}, offset, [this](const iovec* v, int count, off_t at) {
    return preadv(fd_, v, count, at);
  });
  return n == static_cast<i64>(to.size()) ? BlockStatus::Ok : BlockStatus::IoError;
}

BlockStatus ImageFile::write(u64 offset, const Buffers& from) {
  const i64 n = transfer_all(
      from, offset, [this](const iovec* v, int count, off_t at) { return pwritev(fd_, v, count, at); });
  if (n < 0) return status_of(errno);
  return static_cast<u64>(n) == total_size(from) ? BlockStatus::Ok : BlockStatus::NoSpace;
}

BlockStatus ImageFile::write(u64 offset, std::span<const u8> from) {
  // SAFETY: pwritev only reads what it is given.
  return write(offset, Buffers{{const_cast<u8*>(from.data()), from.size()}});
}

bool ImageFile::punch(u64 offset, u64 length) {
  return fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                   static_cast<off_t>(length)) == 0;
}

BlockStatus ImageFile::write_zeroes(u64 offset, u64 length) {
  if (punch(offset, length)) return BlockStatus::Ok;
  std::vector<u8> zeroes(std::min<u64>(length, MiB));
  for (u64 done = 0; done < length;) {
    const u64 n = std::min<u64>(length - done, zeroes.size());
    TANDEM_TRY(write(offset + done, std::span(zeroes).first(n)));
    done += n;
  }
  return BlockStatus::Ok;
}

BlockStatus ImageFile::resize(u64 size) {
  return ftruncate(fd_, static_cast<off_t>(size)) == 0 ? BlockStatus::Ok : status_of(errno);
}

BlockStatus ImageFile::sync() { return fdatasync(fd_) == 0 ? BlockStatus::Ok : status_of(errno); }

u64 ImageFile::next_data(u64 offset) const {
  const off_t at = lseek(fd_, static_cast<off_t>(offset), SEEK_DATA);
  if (at >= 0) return static_cast<u64>(at);
  return errno == ENXIO ? ~u64{0} : offset;
}

}  // namespace tandem::devices
