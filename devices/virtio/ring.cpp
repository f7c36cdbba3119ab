#include "devices/virtio/ring.h"

#include <bit>

#include "devices/virtio/packed_ring.h"
#include "devices/virtio/split_ring.h"

namespace tandem::devices::virtio {

namespace {

// More than any driver asks for at once, and little enough to walk through.
constexpr u64 kMaxBytes = GiB;

}  // namespace

void Chain::clear() {
  readable.clear();
  writable.clear();
  to_read = to_write = 0;
  slots = 0;
}

bool Ring::add(Chain& chain, u64 address, u32 length, bool writable) {
  if (!writable && chain.to_write) return false;
  u64& total = writable ? chain.to_write : chain.to_read;
  if (length > kMaxBytes - chain.to_read - chain.to_write) return false;
  total += length;
  return append(memory_, address, length, writable, writable ? chain.writable : chain.readable);
}

const std::vector<Descriptor>& Ring::copy_table(u64 address, u32 length) {
  static_assert(sizeof(Descriptor) == 16);
  table_.clear();
  if (length == 0 || length % sizeof(Descriptor) || length / sizeof(Descriptor) > kMaxQueueSize ||
      address + length < address)
    return table_;
  table_.resize(length / sizeof(Descriptor));
  // SAFETY: descriptors are plain data.
  if (!memory_.read(Gpa{address}, {reinterpret_cast<u8*>(table_.data()), length})) table_.clear();
  return table_;
}

void Ring::mark_written(const Chain& chain, u32 bytes) { written(memory_, chain.writable, bytes); }

std::unique_ptr<Ring> make_ring(mem::GuestMemory& memory, const QueueState& state, u64 features) {
  if (state.size == 0 || state.size > kMaxQueueSize) return nullptr;
  if (features & kPacked) return PackedRing::make(memory, state, features);
  if (!std::has_single_bit(state.size)) return nullptr;
  return SplitRing::make(memory, state, features);
}

}  // namespace tandem::devices::virtio
