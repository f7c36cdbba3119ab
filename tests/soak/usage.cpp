#include "tests/soak/usage.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace tandem::tests {

namespace {

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

u64 entries(const char* folder) {
  return static_cast<u64>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

struct Pages {
  u64 all = 0, resident = 0;  // in bytes
};
Pages pages() {
  std::ifstream statm("/proc/self/statm");
  Pages p;
  statm >> p.all >> p.resident;
  const auto page = static_cast<u64>(sysconf(_SC_PAGESIZE));
  return {p.all * page, p.resident * page};
}

u64 peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<u64>(usage.ru_maxrss) * KiB;
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
  const Pages p = pages();
  return {p.resident,
          peak_bytes(),
          allocated_bytes(),
          p.all,
          mappings(),
          entries("/proc/self/fd"),
          entries("/proc/self/task")};
}

void UsageLog::end_round(std::string_view more, bool warm) {
  last_ = usage_now();
  if (++round_ >= kWarmUp && warm && !first_) first_ = last_;
  fmt::print("round {}:", round_);
  for (std::size_t i = 0; i < last_.size(); ++i) fmt::print(" {} {}", kResources[i].name, last_[i]);
  fmt::print("{}\n", more);
  std::fflush(stdout);
}

bool UsageLog::has_grown() const {
  if (kSanitized) return fmt::print("whether anything grew is not seen under a sanitizer\n"), false;
  if (!first_) return fmt::print("no round was fit to compare others with\n"), true;
  const Usage& first = *first_;
  bool any = false;
  for (std::size_t i = 0; i < kResources.size(); ++i) {
    if (last_[i] <= first[i] + kResources[i].slack) continue;
    fmt::print("{} grew from {} to {}\n", kResources[i].name, first[i], last_[i]);
    any = true;
  }
  return any;
}

}  // namespace tandem::tests
