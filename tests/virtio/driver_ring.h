// A driver's end of a virtqueue, split or packed, in guest memory: written from the specification's driver
// part (VIRTIO 1.2, 2.7.13 and 2.8.21).
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/base/bits.h"
#include "core/mem/guest_memory.h"
#include "devices/virtio/ring.h"

namespace tandem::tests {

struct Piece {
  u64 address;
  u32 length;
  bool writable = false;
};

struct UsedElement {
  u16 id;
  u32 written;
};

// How the driver uses a queue.
struct RingForm {
  bool packed, event_index, indirect;
  u64 features() const {
    using namespace devices::virtio;
    return kVersion1 | (packed ? kPacked : 0) | (event_index ? kEventIndex : 0) | (indirect ? kIndirect : 0);
  }
};

class DriverRing {
 public:
  DriverRing(mem::GuestMemory& memory, RingForm form, u16 size, u64 base)
      : memory_(memory),
        form_(form),
        size_(size),
        base_(base),
        driver_(base + kDriver),
        device_(base + kDevice) {
    memory_.fill(Gpa{base}, 0, kTables + kTableSize * size);
    if (form_.packed) avail_ = used_ = 0x8000;
    ask_for_interrupt();
  }
  // A split ring whose parts follow each other, as drivers of 0.9.5 have to lay it out (2.7.2). Without
  // indirect descriptors.
  static DriverRing in_one_piece(mem::GuestMemory& memory, u16 size, u64 base) {
    DriverRing ring(memory, {false, false, false}, size, base);
    ring.driver_ = base + 16u * size;
    ring.device_ = align_up(ring.driver_ + 2u * (3u + size), kPageSize);
    return ring;
  }

  devices::virtio::QueueState state() const {
    return {.size = size_, .enabled = true, .descriptors = base_, .driver = driver_, .device = device_};
  }

  // Makes pieces available under an id.
  void add(u16 id, const std::vector<Piece>& pieces) {
    if (form_.packed) add_packed(id, pieces);
    else add_split(id, pieces);
  }

  std::optional<UsedElement> take_used() { return form_.packed ? take_packed() : take_split(); }
  // The driver wants an interrupt for the next used buffer.
  void ask_for_interrupt() {
    if (!form_.event_index) return;
    if (form_.packed) put<u32>(driver_, u32{devices::virtio::kEventsAt} << 16 | used_);
    else put<u16>(driver_ + 4 + 2u * size_, used_);
  }
  // None at all, without the event index.
  void refuse_interrupts() {
    if (form_.packed) put<u32>(driver_, u32{devices::virtio::kEventsOff} << 16);
    else put<u16>(driver_, devices::virtio::kNoInterrupt);
  }
  // What the device asks for: the position of which it wants to be notified.
  u16 notification_event() const {
    return form_.packed ? get<u16>(device_) : get<u16>(device_ + 4 + 8u * size_);
  }
  u16 position() const { return avail_; }
  u64 base() const { return base_; }
  static constexpr u64 kDriver = 0x1000, kDevice = 0x2000, kTables = 0x3000, kTableSize = 0x100;

  template <class T>
  T get(u64 at) const {
    return memory_.read_value<T>(Gpa{at});
  }
  template <class T>
  void put(u64 at, T value) {
    memory_.write_value(Gpa{at}, value);
  }

 private:
  void descriptor(u64 at, const Piece& p, u16 a, u16 b) {
    put<u64>(at, p.address);
    put<u32>(at + 8, p.length);
    put<u16>(at + 12, a);
    put<u16>(at + 14, b);
  }
  static u16 flags(const Piece& p, bool more) {
    using namespace devices::virtio;
    return static_cast<u16>((p.writable ? kWrite : 0) | (more ? kNext : 0));
  }
  Piece table_for(u16 slot, const std::vector<Piece>& pieces) {
    const u64 table = base_ + kTables + kTableSize * slot;
    for (u16 i = 0; i < pieces.size(); ++i) {
      const bool more = i + 1u < pieces.size();
      const u64 at = table + 16u * i;
      if (form_.packed) descriptor(at, pieces[i], 0, flags(pieces[i], false));
      else descriptor(at, pieces[i], flags(pieces[i], more), static_cast<u16>(i + 1));
    }
    return {table, static_cast<u32>(16 * pieces.size())};
  }

  // The driver of a test uses descriptors in a circle; the heads' ids are what add() was told.
  void add_split(u16 id, const std::vector<Piece>& pieces) {
    const u16 head = next_descriptor_;
    if (form_.indirect) {
      descriptor(base_ + 16u * head, table_for(head, pieces), devices::virtio::kIndirectTable, 0);
      next_descriptor_ = static_cast<u16>((head + 1) % size_);
    } else {
      for (u16 i = 0; i < pieces.size(); ++i) {
        const u16 next = static_cast<u16>((next_descriptor_ + 1) % size_);
        descriptor(base_ + 16u * next_descriptor_, pieces[i], flags(pieces[i], i + 1u < pieces.size()), next);
        next_descriptor_ = next;
      }
    }
    ids_[head] = id;
    put<u16>(driver_ + 4 + 2u * (avail_ % size_), head);
    put<u16>(driver_ + 2, ++avail_);
  }
  std::optional<UsedElement> take_split() {
    if (get<u16>(device_ + 2) == used_) return {};
    const u64 at = device_ + 4 + 8u * (used_++ % size_);
    return UsedElement{ids_[static_cast<u16>(get<u32>(at))], get<u32>(at + 4)};
  }

  void step(u16& position) const {
    if (((++position) & 0x7fff) == size_) position = (position & 0x8000) ^ 0x8000;
  }
  void add_packed(u16 id, std::vector<Piece> pieces) {
    using namespace devices::virtio;
    u16 first_flags = 0;
    const u64 first = base_ + 16u * (avail_ & 0x7fff);
    u16 extra = 0;
    if (form_.indirect) {
      pieces = {table_for(avail_ & 0x7fff, pieces)};
      extra = kIndirectTable;
    }
    slots_[id] = static_cast<u16>(pieces.size());
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const u16 wrap = avail_ & 0x8000 ? kAvailable : kUsed;
      const u16 f = static_cast<u16>(flags(pieces[i], i + 1 < pieces.size()) | wrap | extra);
      const u64 at = base_ + 16u * (avail_ & 0x7fff);
      const u16 before = get<u16>(at + 14);
      descriptor(at, pieces[i], id, i == 0 ? before : f);
      if (i == 0) first_flags = f;
      step(avail_);
    }
    put<u16>(first + 14, first_flags);
  }
  std::optional<UsedElement> take_packed() {
    using namespace devices::virtio;
    const u64 at = base_ + 16u * (used_ & 0x7fff);
    const u16 f = get<u16>(at + 14);
    const bool wrap = used_ & 0x8000;
    if (bool(f & kAvailable) != wrap || bool(f & kUsed) != wrap) return {};
    const UsedElement e{get<u16>(at + 12), get<u32>(at + 8)};
    for (u16 i = 0; i < slots_[e.id]; ++i) step(used_);
    return e;
  }

  mem::GuestMemory& memory_;
  RingForm form_;
  u16 size_;
  u64 base_, driver_, device_;  // of the three areas
  u16 avail_ = 0, used_ = 0, next_descriptor_ = 0;
  std::map<u16, u16> ids_, slots_;
};

}  // namespace tandem::tests
