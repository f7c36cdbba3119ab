#include "devices/virtio/packed_ring.h"

namespace tandem::devices::virtio {

namespace {

constexpr u16 kWrap = 0x8000, kSlot = 0x7fff;
constexpr u64 kAddress = 0, kLength = 8, kId = 12, kFlags = 14;

}  // namespace

std::unique_ptr<Ring> PackedRing::make(mem::GuestMemory& memory, const QueueState& s, u64 features) {
  for (const u16 position : {s.next_available, s.next_used, s.signalled})
    if ((position & kSlot) >= s.size) return nullptr;
  const auto descriptors = GuestArea::find(memory, s.descriptors, s.size * sizeof(Descriptor), 16);
  const auto driver = GuestArea::find(memory, s.driver, 4, 4);
  const auto device = GuestArea::find(memory, s.device, 4, 4);
  if (!descriptors || !driver || !device) return nullptr;
  return std::unique_ptr<Ring>(new PackedRing(memory, s, features, {*descriptors, *driver, *device}));
}

u16 PackedRing::flags(u16 slot) const { return areas_.descriptors.load<u16>(slot * 16u + kFlags); }

// 2.8.1: available as the wrap counter says, used not.
bool PackedRing::available(u16 position, u16 f) const {
  const bool wrap = position & kWrap;
  return bool(f & kAvailable) == wrap && bool(f & kUsed) != wrap;
}

u16 PackedRing::advanced(u16 position, u16 slots) const {
  const u32 slot = u32{position} % kWrap + slots;
  const u16 wrap = position & kWrap;
  return static_cast<u16>(slot < state_.size ? slot | wrap : (slot - state_.size) | (wrap ^ kWrap));
}

u16 PackedRing::relative(u16 position, u16 reference) const {
  const bool before = (position ^ reference) & kWrap;
  return static_cast<u16>((position & kSlot) - (before ? state_.size : 0));
}

Ring::Taken PackedRing::take(Chain& chain) {
  const u16 first = flags(state_.next_available & kSlot);
  if (!available(state_.next_available, first)) return Taken::Nothing;
  chain.clear();
  if (!follow(chain, first)) return Taken::Broken;
  state_.next_available = advanced(state_.next_available, chain.slots);
  return Taken::Chain;
}

bool PackedRing::follow(Chain& chain, u16 first_flags) {
  u16 position = state_.next_available;
  for (u16 f = first_flags;; f = flags(position & kSlot)) {
    const u64 at = (position & kSlot) * 16u;
    const u64 address = areas_.descriptors.load<u64>(at + kAddress);
    const u32 length = areas_.descriptors.load<u32>(at + kLength);
    chain.id = areas_.descriptors.load<u16>(at + kId);  // the last one's counts
    ++chain.slots;
    if (f & kIndirectTable)
      return has(kIndirect) && chain.slots == 1 && !(f & kNext) && add_table(chain, address, length);
    if (!add(chain, address, length, f & kWrite)) return false;
    if (!(f & kNext)) return true;
    if (chain.slots == state_.size) return false;
    position = advanced(position, 1);
  }
}

// 2.8.8: all entries of a table belong to the chain, in their order.
bool PackedRing::add_table(Chain& chain, u64 address, u32 length) {
  const std::vector<Descriptor>& table = copy_table(address, length);
  for (const Descriptor& d : table)
    if ((d.b & kIndirectTable) || !add(chain, d.address, d.length, d.b & kWrite)) return false;
  return !table.empty();
}

void PackedRing::give_back(const Chain& chain, u32 bytes) {
  mark_written(chain, bytes);
  const u16 slot = state_.next_used & kSlot;
  const u16 wrap = state_.next_used & kWrap ? kAvailable | kUsed : 0;
  const u16 f = static_cast<u16>(wrap | (bytes ? kWrite : 0));
  areas_.descriptors.store<u16>(slot * 16u + kId, chain.id);
  areas_.descriptors.store<u32>(slot * 16u + kLength, bytes);
  if (staged_) {
    areas_.descriptors.store<u16>(slot * 16u + kFlags, f);
  } else {
    staged_ = true;
    staged_slot_ = slot;
    staged_flags_ = f;
  }
  state_.next_used = advanced(state_.next_used, chain.slots);
}

bool PackedRing::publish() {
  if (!staged_) return false;
  staged_ = false;
  areas_.descriptors.store<u16>(staged_slot_ * 16u + kFlags, staged_flags_);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const u16 before = state_.signalled, now = state_.next_used;
  state_.signalled = now;
  const u32 events = areas_.driver_events.load<u32>(0);
  const u16 mode = events >> 16 & 3;
  if (mode != kEventsAt || !has(kEventIndex)) return mode != kEventsOff;
  // As with a split ring: is the asked position among those from `before` to `now`?
  const u16 distance = static_cast<u16>((now & kSlot) - relative(static_cast<u16>(events), now) - 1);
  return distance < static_cast<u16>((now & kSlot) - relative(before, now));
}

bool PackedRing::ask_for_notification() {
  const u32 mode = has(kEventIndex) ? kEventsAt : kEventsOn;
  areas_.device_events.store<u32>(0, mode << 16 | state_.next_available);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return !available(state_.next_available, flags(state_.next_available & kSlot));
}

void PackedRing::spare_notification() { areas_.device_events.store<u32>(0, u32{kEventsOff} << 16); }

}  // namespace tandem::devices::virtio
