#include "core/mem/guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace tandem::mem {

Result<std::unique_ptr<GuestMemory>> GuestMemory::create(u64 size) {
  if (size == 0 || (size & kPageMask)) return user_error("memory: the size is not a multiple of 4 KiB");
  const std::string what = std::to_string(size / MiB) + " MiB of guest memory";
  const u64 host_bytes = static_cast<u64>(sysconf(_SC_PHYS_PAGES)) * kPageSize;
  if (size > host_bytes)
    return host_error(what + " are more than the host's " + std::to_string(host_bytes / MiB) + " MiB");
  const int fd = memfd_create("guest-ram", MFD_CLOEXEC);
  if (fd < 0) return host_error(what + ": " + std::strerror(errno));
  if (ftruncate(fd, static_cast<off_t>(size)) != 0) {
    const int error = errno;
    close(fd);
    return host_error(what + ": " + std::strerror(error));
  }
  void* base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (base == MAP_FAILED) {
    const int error = errno;
    close(fd);
    return host_error(what + ": " + std::strerror(error));
  }
  return std::unique_ptr<GuestMemory>(new GuestMemory(size, fd, static_cast<u8*>(base)));
}

GuestMemory::GuestMemory(u64 size, int fd, u8* base)
    : size_(size), low_size_(std::min(size, kLowRamLimit)), fd_(fd), base_(base), marks_(size / kPageSize) {}

GuestMemory::~GuestMemory() {
  munmap(base_, size_);
  close(fd_);
}

template <class F>
bool GuestMemory::for_each_piece(Gpa start, u64 length, F piece) const {
  bool all_ram = true;
  for (u64 done = 0; done < length;) {
    const Gpa at = start + done;
    const u64 n = std::min(length - done, kPageSize - (raw(at) & kPageMask));
    u8* p = host(at);
    all_ram &= p != nullptr;
    piece(p, done, n);
    done += n;
  }
  return all_ram;
}

bool GuestMemory::read(Gpa from, std::span<u8> to) const {
  return for_each_piece(from, to.size(), [&](const u8* p, u64 done, u64 n) {
    if (p) std::memcpy(to.data() + done, p, n);
    else std::memset(to.data() + done, 0xff, n);
  });
}

bool GuestMemory::write(Gpa to, std::span<const u8> from) {
  const bool ok = for_each_piece(to, from.size(), [&](u8* p, u64 done, u64 n) {
    if (p) std::memcpy(p, from.data() + done, n);
  });
  written(to, from.size());
  return ok;
}

bool GuestMemory::fill(Gpa to, u8 value, u64 length) {
  const bool ok = for_each_piece(to, length, [&](u8* p, u64, u64 n) {
    if (p) std::memset(p, value, n);
  });
  written(to, length);
  return ok;
}

void GuestMemory::written(Gpa start, u64 length) {
  bool holds_code = false;
  for_each_piece(start, length, [&](u8* p, u64, u64) {
    if (!p) return;
    const u64 page = static_cast<u64>(p - base_) >> kPageShift;
    marks_.set(page, kDirty);
    holds_code |= (marks_.get(page) & kHoldsCode) != 0;
  });
  if (!holds_code) return;
  std::lock_guard lock(listeners_mutex_);
  bool still = false;
  for (CodeWriteListener* l : listeners_) still |= l->code_written(start, length);
  if (still) return;
  for_each_piece(start, length, [&](u8* p, u64, u64) {
    if (p) marks_.clear(static_cast<u64>(p - base_) >> kPageShift, kHoldsCode);
  });
}

void GuestMemory::add_code_page(u64 page, CodeWriteListener& who) {
  std::lock_guard lock(listeners_mutex_);
  marks_.set(page, kHoldsCode);
  for (CodeWriteListener* l : listeners_) l->code_page_added(page, who);
}

void GuestMemory::add_listener(CodeWriteListener& listener) {
  std::lock_guard lock(listeners_mutex_);
  listeners_.push_back(&listener);
}

void GuestMemory::remove_listener(CodeWriteListener& listener) {
  std::lock_guard lock(listeners_mutex_);
  std::erase(listeners_, &listener);
}

}  // namespace tandem::mem
