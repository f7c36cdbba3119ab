#include "devices/backend/floppy_image.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tandem::devices {

namespace {

// Smallest first.
constexpr FloppyFormat kFormats[] = {{40, 1, 8, 1},  {40, 1, 9, 1},  {40, 2, 8, 1},
                                     {40, 2, 9, 1},  {80, 2, 9, 3},  {80, 2, 15, 2},
                                     {80, 2, 18, 4}, {80, 2, 21, 4}, {80, 2, 36, 5}};

}  // namespace

Result<std::unique_ptr<FloppyImage>> FloppyImage::open(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  const bool read_only = fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM);
  if (read_only) fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return user_error(path + ": " + std::strerror(errno));
  struct stat status{};
  const bool known = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  const auto fits = [&](const FloppyFormat& f) {
    return u64{f.count()} * kSector >= static_cast<u64>(status.st_size);
  };
  const auto* format = std::find_if(std::begin(kFormats), std::end(kFormats), fits);
  if (!known || status.st_size == 0 || format == std::end(kFormats)) {
    close(fd);
    return user_error(path + ": not an image of a floppy: a file of up to 2880 KiB is");
  }
  return std::unique_ptr<FloppyImage>(new FloppyImage(fd, read_only, *format));
}

FloppyImage::~FloppyImage() { close(fd_); }

bool FloppyImage::read(u32 sector, std::span<u8, kSector> to) {
  const ssize_t n = pread(fd_, to.data(), kSector, off_t{sector} * kSector);
  if (n < 0) return false;
  std::fill(to.begin() + n, to.end(), u8{0});
  return true;
}

bool FloppyImage::write(u32 sector, std::span<const u8, kSector> from) {
  return pwrite(fd_, from.data(), kSector, off_t{sector} * kSector) == ssize_t{kSector};
}

}  // namespace tandem::devices
