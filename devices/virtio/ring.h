// The rings through which driver and device exchange buffers (VIRTIO 1.2, 2.6 to 2.8).
#pragma once

#include <memory>
#include <vector>

#include "devices/virtio/guest_area.h"
#include "devices/virtio/regs.h"

namespace tandem::devices::virtio {

// What the driver says of a queue, and how far the device is in it.
struct QueueState {
  u16 size = 0;
  bool enabled = false;
  u64 descriptors = 0, driver = 0, device = 0;  // the three areas
  // Split: free-running indices. Packed: the slot, with the wrap counter as bit 15.
  u16 next_available = 0, next_used = 0;
  u16 signalled = 0;  // next_used when the driver was last asked whether it wants an interrupt
  static void fields(auto& a, auto& s) {
    a(s.size, s.enabled, s.descriptors, s.driver, s.device, s.next_available, s.next_used, s.signalled);
  }
};

// A buffer that the driver made available: guest memory as the host's. Kept and reused, so that taking one
// allocates nothing.
struct Chain {
  u16 id = 0;     // what the device gives back
  u16 slots = 0;  // how many descriptors of a packed ring it takes
  Buffers readable, writable;
  u64 to_read = 0, to_write = 0;  // bytes of both

  void clear();
};

// A descriptor as it is in memory. `a` and `b`: flags and next of a split ring, id and flags of a packed one.
struct Descriptor {
  u64 address;
  u32 length;
  u16 a, b;
};

// The device's end of one queue. Its device's lock guards it.
class Ring {
 public:
  virtual ~Ring() = default;

  enum class Taken : u8 { Nothing, Chain, Broken };  // Broken: the driver made nonsense
  virtual Taken take(Chain& chain) = 0;
  // What was taken since then is available again; only while nothing of it was given back.
  u16 position() const { return state_.next_available; }
  void rewind(u16 position) { state_.next_available = position; }

  // Gives a chain back; the driver sees it, and all before it, with publish(). `written`: bytes at its start.
  virtual void give_back(const Chain& chain, u32 written) = 0;
  // True: the driver wants an interrupt for what was given back.
  virtual bool publish() = 0;

  // Has the driver notify of what comes after what was taken. False: there is something already.
  virtual bool ask_for_notification() = 0;
  // It need not notify for now.
  virtual void spare_notification() = 0;

  const QueueState& state() const { return state_; }

 protected:
  Ring(mem::GuestMemory& memory, const QueueState& state, u64 features)
      : memory_(memory), state_(state), features_(features) {}
  bool has(u64 feature) const { return features_ & feature; }
  // False: out of range, or after a writable descriptor comes one that is not.
  bool add(Chain& chain, u64 address, u32 length, bool writable);
  // The table of an indirect descriptor, copied; empty: it has no valid size or place.
  const std::vector<Descriptor>& copy_table(u64 address, u32 length);
  void mark_written(const Chain& chain, u32 written);

  mem::GuestMemory& memory_;
  QueueState state_;

 private:
  u64 features_;
  std::vector<Descriptor> table_;
};

// By the features; null: an area is no RAM, or the size is none.
std::unique_ptr<Ring> make_ring(mem::GuestMemory& memory, const QueueState& state, u64 features);

}  // namespace tandem::devices::virtio
