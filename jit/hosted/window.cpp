#include "jit/hosted/window.h"

#include <sys/mman.h>

#include <utility>

#include "core/base/assert.h"

namespace tandem::jit {

namespace {

constexpr int kNowhere = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

}  // namespace

std::optional<Window> Window::reserve(u64 key) {
  void* p = mmap(nullptr, kBytes + 2 * kGuard, PROT_NONE, kNowhere, -1, 0);
  if (p == MAP_FAILED) return {};
  return Window(key, reinterpret_cast<u64>(p) + kGuard);
}

std::optional<Window> Window::reserve_with(u64 key, u64 addend) {
  constexpr u64 kEnd = u64{1} << 47;
  const u64 start = (key << interp::TierFrame::kRegionShift) + addend - kGuard;
  constexpr u64 kLength = kBytes + 2 * kGuard;
  if (start < kGuard || start >= kEnd - kLength) return {};
  void* const wanted = reinterpret_cast<void*>(start);
  void* const p = mmap(wanted, kLength, PROT_NONE, kNowhere | MAP_FIXED_NOREPLACE, -1, 0);
  if (p == MAP_FAILED) return {};
  if (p != wanted) {  // a kernel before 4.17, or a sanitizer in front of it
    munmap(p, kLength);
    return {};
  }
  return Window(key, start + kGuard);
}

Window::Window(Window&& other) noexcept : key_(other.key_), host_(std::exchange(other.host_, 0)) {}

Window::~Window() {
  if (host_) munmap(reinterpret_cast<void*>(host_ - kGuard), kBytes + 2 * kGuard);
}

bool Window::map(u64 linear, u64 length, int memory, u64 offset, bool writable) {
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  return mmap(at(linear), length, protection, MAP_SHARED | MAP_FIXED | MAP_POPULATE, memory,
              static_cast<off_t>(offset)) != MAP_FAILED;
}

bool Window::unmap(u64 linear, u64 length) {
  return mmap(at(linear), length, PROT_NONE, kNowhere | MAP_FIXED, -1, 0) != MAP_FAILED;
}

// One mapping in place of any number: needs nothing that the host may have run out of.
void Window::unmap_all() {
  ensure(unmap(key_ << interp::TierFrame::kRegionShift, kBytes), "taking guest pages away");
}

}  // namespace tandem::jit
