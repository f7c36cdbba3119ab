#include "devices/virtio/split_ring.h"

namespace tandem::devices::virtio {

namespace {

// 2.7: sizes, without and with the event index.
constexpr u64 kHead = 4, kEvent = 2, kUsedElement = 8;
// 2.7.6, 2.7.8: where flags, index and elements are.
constexpr u64 kFlags = 0, kIndex = 2;

// 2.7.10: whether `event` is among the entries from `before` on that were passed on the way to `now`.
bool passed(u16 event, u16 now, u16 before) {
  return static_cast<u16>(now - event - 1) < static_cast<u16>(now - before);
}

}  // namespace

std::unique_ptr<Ring> SplitRing::make(mem::GuestMemory& memory, const QueueState& s, u64 features) {
  const u64 event = features & kEventIndex ? kEvent : 0;
  const auto descriptors = GuestArea::find(memory, s.descriptors, s.size * sizeof(Descriptor), 16);
  const auto available = GuestArea::find(memory, s.driver, kHead + 2u * s.size + event, 2);
  const auto used = GuestArea::find(memory, s.device, kHead + kUsedElement * s.size + event, 4);
  if (!descriptors || !available || !used) return nullptr;
  return std::unique_ptr<Ring>(new SplitRing(memory, s, features, {*descriptors, *available, *used}));
}

Descriptor SplitRing::descriptor(u16 index) const {
  const u64 at = index * sizeof(Descriptor);
  const u64 rest = areas_.descriptors.load<u64>(at + 8);
  return {areas_.descriptors.load<u64>(at), static_cast<u32>(rest), static_cast<u16>(rest >> 32),
          static_cast<u16>(rest >> 48)};
}

Ring::Taken SplitRing::take(Chain& chain) {
  const u16 waiting = static_cast<u16>(available_index() - state_.next_available);
  if (waiting == 0) return Taken::Nothing;
  if (waiting > state_.size) return Taken::Broken;
  const u16 slot = state_.next_available & (state_.size - 1);
  const u16 head = areas_.available.load<u16>(kHead + 2u * slot);
  chain.clear();
  chain.id = head;
  if (!follow(chain, head)) return Taken::Broken;
  ++state_.next_available;
  return Taken::Chain;
}

bool SplitRing::follow(Chain& chain, u16 index) {
  for (u16 count = 0; count < state_.size; ++count) {
    if (index >= state_.size) return false;
    const Descriptor d = descriptor(index);
    const u16 flags = d.a;
    if (flags & kIndirectTable) {
      if (!has(kIndirect) || (flags & kNext)) return false;
      return follow_table(chain, copy_table(d.address, d.length));
    }
    if (!add(chain, d.address, d.length, flags & kWrite)) return false;
    if (!(flags & kNext)) return true;
    index = d.b;
  }
  return false;  // a loop
}

// 2.7.5.3: a table has chains of its own numbers, and no further tables.
bool SplitRing::follow_table(Chain& chain, const std::vector<Descriptor>& table) {
  u16 index = 0;
  for (std::size_t count = 0; count < table.size(); ++count) {
    if (index >= table.size()) return false;
    const Descriptor& d = table[index];
    if ((d.a & kIndirectTable) || !add(chain, d.address, d.length, d.a & kWrite)) return false;
    if (!(d.a & kNext)) return true;
    index = d.b;
  }
  return false;
}

void SplitRing::give_back(const Chain& chain, u32 written) {
  mark_written(chain, written);
  const u16 slot = state_.next_used & (state_.size - 1);
  const u64 element = kHead + kUsedElement * slot;
  areas_.used.store<u32>(element, chain.id);
  areas_.used.store<u32>(element + 4, written);
  ++state_.next_used;
}

bool SplitRing::publish() {
  if (state_.signalled == state_.next_used) return false;
  areas_.used.store<u16>(kIndex, state_.next_used);
  // The driver asks for interrupts first and then looks for used buffers; we do it the other way round.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const u16 before = state_.signalled;
  state_.signalled = state_.next_used;
  if (!has(kEventIndex)) return !(areas_.available.load<u16>(kFlags) & kNoInterrupt);
  return passed(areas_.available.load<u16>(kHead + 2u * state_.size), state_.next_used, before);
}

bool SplitRing::ask_for_notification() {
  if (has(kEventIndex)) areas_.used.store<u16>(kHead + kUsedElement * state_.size, state_.next_available);
  else areas_.used.store<u16>(kFlags, 0);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return available_index() == state_.next_available;
}

// With the event index, the driver notifies once, and not again until it is asked anew.
void SplitRing::spare_notification() {
  if (!has(kEventIndex)) areas_.used.store<u16>(kFlags, kNoNotify);
}

}  // namespace tandem::devices::virtio
