// Reads a block device in a guest, past its cache, and says how fast: read_disk DEVICE SECONDS
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr std::uint64_t kMiB = 1 << 20, kPage = 4096;

struct Device {
  int fd;
  std::uint64_t bytes;
  void* buffer;
};

// Reads pieces at the places that next() gives until the time is over; pieces a second, 0 after an error.
template <class Next>
double reads_per_second(const Device& device, std::uint64_t piece, double seconds, Next next) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  std::uint64_t count = 0;
  double taken = 0;
  while (taken < seconds) {
    if (pread(device.fd, device.buffer, piece, static_cast<off_t>(next() * piece)) !=
        static_cast<ssize_t>(piece))
      return 0;
    ++count;
    taken = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return static_cast<double>(count) / taken;
}

double sequential(const Device& device, std::uint64_t piece, double seconds) {
  const std::uint64_t pieces = device.bytes / piece;
  std::uint64_t at = 0;
  return reads_per_second(device, piece, seconds, [&] { return at++ % pieces; });
}

double random_reads(const Device& device, double seconds) {
  const std::uint64_t pieces = device.bytes / kPage;
  std::uint64_t state = 88172645463325252u;  // xorshift64
  return reads_per_second(device, kPage, seconds, [&] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % pieces;
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int fd = open(argv[1], O_RDONLY | O_DIRECT);
  if (fd < 0) return std::perror(argv[1]), 1;
  const double seconds = std::atof(argv[2]);
  const Device device{fd, static_cast<std::uint64_t>(lseek(fd, 0, SEEK_END)),
                      std::aligned_alloc(kPage, kMiB)};
  if (device.bytes < kMiB) return 1;
  std::printf("disk: sequential-1m %.1f\n", sequential(device, kMiB, seconds));
  std::printf("disk: sequential-4k %.0f\n", sequential(device, kPage, seconds));
  std::printf("disk: random-4k %.0f\n", random_reads(device, seconds));
}
