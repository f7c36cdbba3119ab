#include "tests/soak/usage.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace tandem::tests {

namespace {

u64 entries(const char* folder) {
  return static_cast<u64>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

u64 resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  u64 size = 0;
  u64 resident = 0;
  statm >> size >> resident;
  return resident * static_cast<u64>(sysconf(_SC_PAGESIZE));
}

u64 mappings() {
  std::ifstream maps("/proc/self/maps");
  return static_cast<u64>(std::count(std::istreambuf_iterator<char>(maps), {}, '\n'));
}

u64 allocated_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace

Usage usage_now() {
  malloc_trim(0);
  return {resident_bytes(), allocated_bytes(), mappings(), entries("/proc/self/fd"),
          entries("/proc/self/task")};
}

}  // namespace tandem::tests
