// Guest memory as a device's rings and buffers lead to it.
#pragma once

#include <atomic>
#include <optional>

#include "core/mem/guest_memory.h"
#include "devices/backend/block/buffers.h"

namespace tandem::devices::virtio {

// A part of a ring: found once, when the queue starts, so that an access costs no lookup. Each load() reads
// the guest's memory once.
class GuestArea {
 public:
  // Nothing: it is not aligned, or not RAM that lies together.
  static std::optional<GuestArea> find(mem::GuestMemory& memory, u64 start, u64 length, u64 alignment);

  template <class T>
  T load(u64 offset) const {
    // SAFETY: find() checked alignment and length; the guest may change the value at any time.
    return std::atomic_ref(*reinterpret_cast<T*>(host_ + offset)).load(std::memory_order_acquire);
  }
  template <class T>
  void store(u64 offset, T value) {
    // SAFETY: as above.
    std::atomic_ref(*reinterpret_cast<T*>(host_ + offset)).store(value, std::memory_order_release);
    memory_->written_at(static_cast<u64>(host_ - memory_->base()) + offset, sizeof(T));
  }

 private:
  GuestArea(mem::GuestMemory& memory, u8* host) : memory_(&memory), host_(host) {}
  mem::GuestMemory* memory_;
  u8* host_;
};

// Appends `length` bytes of guest memory. False: part of it is no RAM, or none that can be written where
// `writable`; `to` may then have a part of it.
bool append(const mem::GuestMemory& memory, u64 start, u64 length, bool writable, Buffers& to);

// Copies at most what lies from `offset` on, and as much as the other side has.
void scatter(const Buffers& to, u64 offset, std::span<const u8> from);
void gather(std::span<u8> to, const Buffers& from, u64 offset);

// To be called when the first `length` bytes of what append() gave have been changed.
void written(mem::GuestMemory& memory, const Buffers& buffers, u64 length);

}  // namespace tandem::devices::virtio
