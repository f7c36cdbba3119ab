// GuestMemory: the RAM (and ROM) of one machine, in one memfd, mapped once into this process.
// Guest physical layout: RAM from 0 up to at most 3 GiB, a hole for devices below 4 GiB, the rest from 4 GiB.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"
#include "core/mem/page_marks.h"

namespace tandem::mem {

inline constexpr u64 kLowRamLimit = 3 * GiB;
inline constexpr u64 kHighRamStart = 4 * GiB;

// Told of writes to pages that hold code. [any-thread]
class CodeWriteListener {
 public:
  virtual ~CodeWriteListener() = default;
  // Returns whether the pages may still hold code of this listener afterwards.
  virtual bool code_written(Gpa start, u64 length) noexcept = 0;
  // A page is about to hold code: write entries that lead to it must go.
  virtual void code_page_added(u64 page, CodeWriteListener& who) noexcept = 0;
};

class GuestMemory {
 public:
  // size: bytes, a multiple of 4 KiB. Fails as a host error where the host can't give so much.
  static Result<std::unique_ptr<GuestMemory>> create(u64 size);
  ~GuestMemory();
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  u64 size() const { return size_; }
  u64 low_size() const { return low_size_; }           // bytes of RAM from 0
  u64 high_size() const { return size_ - low_size_; }  // bytes of RAM from 4 GiB
  int fd() const { return fd_; }                       // the memfd; offset = page index * 4096
  u8* base() const { return base_; }
  PageMarks& marks() { return marks_; }

  // Offset of gpa into the memfd, or ~0 if there is no RAM.
  u64 offset_of(Gpa gpa) const {
    const u64 a = raw(gpa);
    if (a < low_size_) return a;
    if (a >= kHighRamStart && a - kHighRamStart < size_ - low_size_) return a - kHighRamStart + low_size_;
    return ~u64{0};
  }
  // Host address of gpa, or null where there is no RAM. Valid to the end of its page at least.
  u8* host(Gpa gpa) const {
    const u64 o = offset_of(gpa);
    return o == ~u64{0} ? nullptr : base_ + o;
  }

  // Copies for loaders, devices and debuggers; pages without RAM read as all ones and ignore writes.
  // Return false if any byte had no RAM. Writes set kDirty and tell listeners of pages that hold code.
  bool read(Gpa from, std::span<u8> to) const;
  bool write(Gpa to, std::span<const u8> from);
  bool fill(Gpa to, u8 value, u64 length);
  template <class T>
  T read_value(Gpa from) const {
    T v{};
    read(from, {reinterpret_cast<u8*>(&v), sizeof v});
    return v;
  }
  template <class T>
  bool write_value(Gpa to, T v) {
    return write(to, {reinterpret_cast<const u8*>(&v), sizeof v});
  }

  // To be called after bytes were changed through host(): marks and listeners. [any-thread]
  void written(Gpa start, u64 length);

  // Marks a page as holding code of `who`, and has all listeners drop their write shortcuts to it.
  void add_code_page(u64 page, CodeWriteListener& who);

  void add_listener(CodeWriteListener& listener);
  void remove_listener(CodeWriteListener& listener);

 private:
  GuestMemory(u64 size, int fd, u8* base);

  template <class F>
  bool for_each_piece(Gpa start, u64 length, F piece) const;

  u64 size_;
  u64 low_size_;
  int fd_;
  u8* base_;
  PageMarks marks_;
  std::mutex listeners_mutex_;
  std::vector<CodeWriteListener*> listeners_;
};

}  // namespace tandem::mem
