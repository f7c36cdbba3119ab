#include "core/mem/guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "core/base/bits.h"

namespace tandem::mem {

namespace {
constexpr u64 kMaxBeside = 320 * MiB;  // memory that is not main RAM: ROMs, video memory
}

Mapping& Mapping::operator=(Mapping&& o) noexcept {
  if (this != &o) {
    release();
    memory_ = o.memory_;
    start_ = o.start_;
    o.memory_ = nullptr;
  }
  return *this;
}

void Mapping::release() {
  if (memory_) memory_->unmap(start_);
  memory_ = nullptr;
}

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
  void* base = mmap(nullptr, size + kMaxBeside, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (base == MAP_FAILED) {
    const int error = errno;
    close(fd);
    return host_error(what + ": " + std::strerror(error));
  }
  return std::unique_ptr<GuestMemory>(new GuestMemory(size, fd, static_cast<u8*>(base)));
}

GuestMemory::GuestMemory(u64 size, int fd, u8* base)
    : size_(size),
      low_size_(std::min(size, kLowRamLimit)),
      allocated_(size),
      fd_(fd),
      base_(base),
      marks_((size + kMaxBeside) / kPageSize),
      places_(std::make_shared<Places>(low_size_)) {
  const u64 window = std::min(low_size_, kSmramEnd) - std::min(low_size_, kSmramStart);
  if (window) places_->map.add_region(kSmramView | kSmramStart, window, {kSmramStart, kSmramStart});
}

GuestMemory::GuestMemory(const GuestMemory& original, int fd, u8* base)
    : size_(original.size_),
      low_size_(original.low_size_),
      allocated_(original.allocated_),
      fd_(fd),
      base_(base),
      marks_(original.marks_.size()),
      places_(original.places_),
      private_(true) {}

Result<std::unique_ptr<GuestMemory>> GuestMemory::private_view(const GuestMemory& original) {
  const int fd = fcntl(original.fd_, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return host_error(std::string("a view of guest memory: ") + std::strerror(errno));
  void* base =
      mmap(nullptr, original.size_ + kMaxBeside, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  if (base == MAP_FAILED) {
    const int error = errno;
    close(fd);
    return host_error(std::string("a view of guest memory: ") + std::strerror(error));
  }
  return std::unique_ptr<GuestMemory>(new GuestMemory(original, fd, static_cast<u8*>(base)));
}

// Runs of pages, since each call costs the host more than a page.
void GuestMemory::drop_writes() {
  u64 first = 0, count = 0;
  const auto drop = [&] {
    if (count) madvise(base_ + first * kPageSize, count * kPageSize, MADV_DONTNEED);
  };
  marks_.for_each(kDirty, [&](u64 page) {
    marks_.clear(page, kDirty);
    if (page == first + count) return void(++count);
    drop();
    first = page;
    count = 1;
  });
  drop();
}

void GuestMemory::watch_writes() {
  watched_writes_ = 0;
  watcher_ = std::this_thread::get_id();
}

GuestMemory::~GuestMemory() {
  munmap(base_, size_ + kMaxBeside);
  close(fd_);
}

Result<u64> GuestMemory::allocate(u64 size) {
  const u64 offset = allocated_;
  const u64 end = align_up(offset + size, kPageSize);
  if (size > kMaxBeside || end - size_ > kMaxBeside)
    return user_error("ROMs and video memory: more than " + std::to_string(kMaxBeside / MiB) + " MiB");
  if (ftruncate(fd_, static_cast<off_t>(end)) != 0)
    return host_error(std::string("ROMs and video memory: ") + std::strerror(errno));
  allocated_ = end;
  return offset;
}

void GuestMemory::set_legacy(Gpa start, u64 length, Backing to) {
  if (places_->map.set_legacy(raw(start), length, to)) tell_remapped(start, length);
}

Mapping GuestMemory::map(Gpa start, u64 length, Backing to) {
  const bool over_ram = raw(start) < low_size_ || (raw(start) < kHighRamStart + high_size() &&
                                                   raw(start) + length > kHighRamStart && high_size());
  if (over_ram || !places_->map.add_region(raw(start), length, to)) return {};
  tell_remapped(start, length);
  return Mapping(*this, start);
}

void GuestMemory::unmap(Gpa start) {
  if (const auto length = places_->map.remove_region(raw(start))) tell_remapped(start, *length);
}

void GuestMemory::set_smram(Smram view) {
  if (places_->smram.exchange(view) != view) tell_remapped(Gpa{kSmramStart}, kSmramEnd - kSmramStart);
}

void GuestMemory::tell_remapped(Gpa start, u64 length) {
  std::lock_guard lock(listeners_mutex_);
  for (const Listener& l : listeners_) l.who->remapped(start, length);
}

std::vector<MemoryMap::Region> GuestMemory::layout() const {
  std::vector<MemoryMap::Region> all;
  const auto ram = [&](u64 start, u64 end, u64 offset) {
    if (start < end) all.push_back({start, end - start, {offset, offset}});
  };
  ram(0, std::min(low_size_, kLegacyStart), 0);
  for (u64 at = kLegacyStart; at < kLegacyEnd; at += kLegacyPiece)
    all.push_back({at, kLegacyPiece, places_->map.legacy(at)});
  ram(kLegacyEnd, low_size_, kLegacyEnd);
  ram(kHighRamStart, kHighRamStart + high_size(), low_size_);
  for (const MemoryMap::Region& r : places_->map.regions())
    if (r.start < kSmramView) all.push_back(r);
  return all;
}

template <u64 Backing::* Way, class F>
bool GuestMemory::for_each_piece(Gpa start, u64 length, F piece) const {
  bool all_there = true;
  for (u64 done = 0; done < length;) {
    const Gpa from = start + done;
    const u64 n = std::min(length - done, kPageSize - (raw(from) & kPageMask));
    u8* p = at(offset_of<Way>(from));
    all_there &= p != nullptr;
    piece(p, done, n);
    done += n;
  }
  return all_there;
}

bool GuestMemory::read(Gpa from, std::span<u8> to) const {
  return for_each_piece<&Backing::read>(from, to.size(), [&](const u8* p, u64 done, u64 n) {
    if (p) std::memcpy(to.data() + done, p, n);
    else std::memset(to.data() + done, 0xff, n);
  });
}

bool GuestMemory::write(Gpa to, std::span<const u8> from) {
  const bool ok = for_each_piece<&Backing::write>(to, from.size(), [&](u8* p, u64 done, u64 n) {
    if (p) std::memcpy(p, from.data() + done, n);
  });
  written(to, from.size());
  return ok;
}

bool GuestMemory::fill(Gpa to, u8 value, u64 length) {
  const bool ok = for_each_piece<&Backing::write>(to, length, [&](u8* p, u64, u64 n) {
    if (p) std::memset(p, value, n);
  });
  written(to, length);
  return ok;
}

void GuestMemory::give_back(u64 offset, u64 length) {
  const u64 start = align_up(offset, kPageSize), end = align_down(offset + length, kPageSize);
  if (start >= end) return;
  fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(start),
            static_cast<off_t>(end - start));
  written_at(start, end - start);
}

void GuestMemory::written(Gpa start, u64 length) {
  for_each_piece<&Backing::write>(start, length, [&](const u8* p, u64, u64 n) {
    if (p) written_at(static_cast<u64>(p - base_), n);
  });
}

void GuestMemory::written_at(u64 offset, u64 length) {
  if (const std::thread::id watcher = watcher_.load(std::memory_order_relaxed); watcher != std::thread::id())
    if (watcher != std::this_thread::get_id()) ++watched_writes_;
  for (u64 done = 0; done < length;) {
    const u64 from = offset + done, page = from >> kPageShift;
    const u64 n = std::min(length - done, kPageSize - (from & kPageMask));
    marks_.set(page, kDirty);
    if (marks_.get(page) & kHoldsCode) {
      std::lock_guard lock(listeners_mutex_);
      for (Listener& l : listeners_) tell_written(l, from, n);
      unmark_without_code(page);
    }
    done += n;
  }
}

// Blocks are known by the address that they were fetched from: all addresses of a page are told.
template <class F>
void GuestMemory::for_each_address(u64 offset, F address) const {
  if (offset < size_ && (offset < kLegacyStart || offset >= kLegacyEnd))
    address(offset < low_size_ ? offset : offset - low_size_ + kHighRamStart);
  if (offset < kLegacyEnd || offset >= size_) places_->map.for_each_address(offset, address);
}

void GuestMemory::tell_written(Listener& listener, u64 offset, u64 length) {
  const u64 page = offset >> kPageShift;
  if (!listener.code_pages[page]) return;
  bool still = false;
  for_each_address(offset, [&](u64 at) { still |= listener.who->code_written(Gpa{at}, length); });
  listener.code_pages[page] = still;
}

void GuestMemory::unmark_without_code(u64 page) {
  const auto holds = [page](const Listener& l) { return l.code_pages[page]; };
  if (std::ranges::none_of(listeners_, holds)) marks_.clear(page, kHoldsCode);
}

void GuestMemory::tell_again(Gpa start, u64 length, CodeWriteListener& who) {
  const u64 offset = offset_of<&Backing::read>(start);
  if (offset == kNoMemory) return;
  std::lock_guard lock(listeners_mutex_);
  tell_written(entry_of(who), offset, length);
  unmark_without_code(offset >> kPageShift);
}

void GuestMemory::add_code_page(u64 page, CodeWriteListener& who, u16 from) {
  std::lock_guard lock(listeners_mutex_);
  entry_of(who).code_pages[page] = true;
  const bool held = marks_.get(page) & kHoldsCode;
  marks_.set_code_from(page, held ? std::min(from, marks_.code_from(page)) : from);
  marks_.set(page, kHoldsCode);
  for (const Listener& l : listeners_) l.who->code_page_added(page, who);
}

GuestMemory::Listener& GuestMemory::entry_of(const CodeWriteListener& who) {
  return *std::ranges::find(listeners_, &who, &Listener::who);
}

void GuestMemory::add_listener(CodeWriteListener& listener) {
  std::lock_guard lock(listeners_mutex_);
  listeners_.push_back({&listener, std::vector<bool>(marks_.size())});
}

void GuestMemory::remove_listener(CodeWriteListener& listener) {
  std::lock_guard lock(listeners_mutex_);
  std::erase_if(listeners_, [&](const Listener& l) { return l.who == &listener; });
}

}  // namespace tandem::mem
