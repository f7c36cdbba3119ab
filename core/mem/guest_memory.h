// GuestMemory: the RAM, ROM and video memory of one machine, in one memfd, mapped once into this process.
// Guest physical layout: RAM from 0 up to at most 3 GiB, a hole for devices below 4 GiB, the rest from 4 GiB.
// The legacy window below 1 MiB, and memory in the hole, are where the chipset and the devices put them.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"
#include "core/mem/mapping.h"
#include "core/mem/memory_map.h"
#include "core/mem/page_marks.h"

namespace tandem::mem {

inline constexpr u64 kLowRamLimit = 3 * GiB;
inline constexpr u64 kHighRamStart = 4 * GiB;

// In SMM with its memory enabled, the CPU's accesses to A0000h..BFFFFh go here (see mmu/walk.h).
inline constexpr u64 kSmramView = u64{1} << 56;
inline constexpr u64 kSmramStart = 0xa0000, kSmramEnd = 0xc0000;

// What a CPU in SMM sees of SMRAM.
enum class Smram : u8 { Off, CodeOnly, All };

// Told of writes to pages that hold its code, and of addresses that lead elsewhere. [any-thread]
class CodeWriteListener {
 public:
  virtual ~CodeWriteListener() = default;
  // Returns whether the page may still hold code of this listener afterwards. One that can't act on this
  // thread says so, and later has itself told again by GuestMemory::tell_again() on its own.
  virtual bool code_written(Gpa start, u64 length) noexcept = 0;
  // A page is about to hold code, or code where none was so far below: write entries that lead to it must go.
  virtual void code_page_added(u64 page, CodeWriteListener& who) noexcept = 0;
  // These addresses lead to other memory than before: nothing that was cached of them is good.
  virtual void remapped(Gpa start, u64 length) noexcept = 0;
};

class GuestMemory {
 public:
  // size: bytes, a multiple of 4 KiB. Fails as a host error where the host can't give so much.
  static Result<std::unique_ptr<GuestMemory>> create(u64 size);
  // The same memory at the same addresses, but what is written to it nobody else sees, and is gone after
  // drop_writes(). A page shows what others write until it is written here.
  static Result<std::unique_ptr<GuestMemory>> private_view(const GuestMemory& original);
  ~GuestMemory();
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  u64 size() const { return size_; }
  u64 low_size() const { return low_size_; }           // bytes of RAM from 0
  u64 high_size() const { return size_ - low_size_; }  // bytes of RAM from 4 GiB
  int fd() const { return fd_; }                       // the memfd; offset = page index * 4096
  u8* base() const { return base_; }
  PageMarks& marks() { return marks_; }
  const PageMarks& marks() const { return marks_; }

  // Host address of what is read at gpa, or null where there is no memory. Valid to the end of its page at
  // least.
  u8* host(Gpa gpa) const { return at(offset_of<&Backing::read>(gpa)); }
  // The same for writes: null for ROM.
  u8* host_for_write(Gpa gpa) const { return at(offset_of<&Backing::write>(gpa)); }

  // Memory beside main RAM, zeroed: its offset into the memfd. Before the machine runs.
  Result<u64> allocate(u64 size);
  u64 allocated() const { return allocated_; }  // bytes of the memfd
  // Switches pieces of 16 KiB of the legacy window; `to`: what the first byte leads to. [any-thread]
  void set_legacy(Gpa start, u64 length, Backing to);
  // Puts memory to an address; where two overlap, or main RAM is, none is held. [any-thread]
  Mapping map(Gpa start, u64 length, Backing to);
  Smram smram() const { return places_->smram.load(std::memory_order_relaxed); }
  void set_smram(Smram view);

  // All of physical memory, in order of what may lead where; without SMRAM's own view. [any-thread]
  std::vector<MemoryMap::Region> layout() const;

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

  // To be called after bytes were changed through host_for_write(), or through base(): marks and listeners.
  // [any-thread]
  void written(Gpa start, u64 length);
  void written_at(u64 offset, u64 length);

  // From now on, counts how often other threads than this one come to written() or written_at().
  void watch_writes();
  u64 watched_writes() const { return watched_writes_; }

  // Of a private view: all that was written, with its dirty marks.
  bool is_private() const { return private_; }
  void drop_writes();

  // Gives whole pages back to the host; they read as zero until they are written. [any-thread]
  void give_back(u64 offset, u64 length);

  // Marks a page as holding code of `who` from this offset on, and has all listeners drop their write
  // shortcuts to it. `who` is not told of all writes below.
  void add_code_page(u64 page, CodeWriteListener& who, u16 from = 0);
  // Calls who.code_written() once more for a write within one page. Where nobody's code is left on it, the
  // page's mark goes, and writes to it are fast again.
  void tell_again(Gpa start, u64 length, CodeWriteListener& who);

  void add_listener(CodeWriteListener& listener);
  void remove_listener(CodeWriteListener& listener);

 private:
  friend class Mapping;
  // Where addresses lead, for all views of one memory.
  struct Places {
    explicit Places(u64 ram) : map(ram) {}
    MemoryMap map;
    std::atomic<Smram> smram = Smram::Off;
  };
  GuestMemory(u64 size, int fd, u8* base);
  GuestMemory(const GuestMemory& original, int fd, u8* base);

  template <u64 Backing::* Way>
  u64 offset_of(Gpa gpa) const {
    const u64 a = raw(gpa);
    if (a - kLegacyEnd < low_size_ - kLegacyEnd || a < kLegacyStart) [[likely]]
      return a < low_size_ ? a : kNoMemory;
    if (a < kLegacyEnd) return places_->map.legacy(a).*Way;
    if (a >= kHighRamStart && a - kHighRamStart < size_ - low_size_) return a - kHighRamStart + low_size_;
    return places_->map.region(a).*Way;
  }
  u8* at(u64 offset) const { return offset == kNoMemory ? nullptr : base_ + offset; }
  template <u64 Backing::* Way, class F>
  bool for_each_piece(Gpa start, u64 length, F piece) const;
  void unmap(Gpa start);
  void tell_remapped(Gpa start, u64 length);
  template <class F>
  void for_each_address(u64 offset, F address) const;
  struct Listener {
    CodeWriteListener* who;
    std::vector<bool> code_pages;  // by page of the memfd: may hold code of it
  };
  Listener& entry_of(const CodeWriteListener& who);
  void tell_written(Listener& listener, u64 offset, u64 length);
  void unmark_without_code(u64 page);

  u64 size_;
  u64 low_size_;
  u64 allocated_;
  int fd_;
  u8* base_;
  PageMarks marks_;
  std::shared_ptr<Places> places_;
  bool private_ = false;
  std::atomic<std::thread::id> watcher_;
  std::atomic<u64> watched_writes_ = 0;
  std::mutex listeners_mutex_;
  std::vector<Listener> listeners_;  // guarded by listeners_mutex_, with what is in them
};

}  // namespace tandem::mem
