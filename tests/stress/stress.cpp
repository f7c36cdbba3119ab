#include "tests/stress/stress.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace tandem::stress {

void require(bool good, const char* what) {
  if (good) return;
  std::printf("stress: failed: %s (errno %d)\n", what, errno);
  std::fflush(stdout);
  _exit(1);
}

std::vector<u8> make_text(Random& random, std::size_t size) {
  std::vector<u8> text;
  text.reserve(size);
  while (text.size() < size) {
    const std::size_t room = size - text.size();
    if (text.size() > 8 && random.below(3) != 0) {
      const std::size_t distance = 1 + random.below(std::min<std::size_t>(text.size(), 30000));
      const std::size_t length =
          std::min<std::size_t>(room, 3 + random.below(random.below(8) == 0 ? 400 : 20));
      for (std::size_t i = 0; i < length; ++i) text.push_back(text[text.size() - distance]);
    } else {
      const std::size_t length = std::min<std::size_t>(room, 1 + random.below(12));
      for (std::size_t i = 0; i < length; ++i) text.push_back(static_cast<u8>('a' + random.below(26)));
    }
  }
  return text;
}

Mapping::Mapping(std::size_t size, int protection) : size_(size) {
  void* at = mmap(nullptr, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  require(at != MAP_FAILED, "mmap");
  at_ = static_cast<u8*>(at);
}

Mapping::~Mapping() { munmap(at_, size_); }

void Mapping::protect(std::size_t offset, std::size_t size, int protection) const {
  require(mprotect(at_ + offset, size, protection) == 0, "mprotect");
}

}  // namespace tandem::stress
