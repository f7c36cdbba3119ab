// The registers of virtio 0.9.5 in BAR 0 (VIRTIO 1.2, 4.1.4.10 and 2.7.2): split rings only, each at a page
// number.
#include "core/base/bits.h"
#include "devices/virtio/pci_transport.h"

namespace tandem::devices::virtio {

namespace {

constexpr u64 kOffered = 0, kAccepted = 4, kPage = 8, kQueueSize = 12, kQueueSelect = 14, kStatus = 18,
              kIsr = 19, kConfigVector = 20, kQueueVector = 22;
constexpr unsigned kPageShiftLegacy = 12;
constexpr u64 kAlignment = 4096;

void place(QueueState& q, u64 page) {
  q.enabled = page != 0;
  q.descriptors = page << kPageShiftLegacy;
  q.driver = q.descriptors + sizeof(Descriptor) * q.size;
  q.device = align_up(q.driver + 2u * (3u + q.size), kAlignment);
}

}  // namespace

void PciTransport::legacy_io(bus::IoAccess& access) {
  const bool read = access.dir == bus::IoDir::Read;
  const u64 config_at = legacy_config_offset();
  if (access.offset >= config_at) {
    if (read) access.value = device_->read_config(access.offset - config_at, access.size);
    else device_->write_config(access.offset - config_at, access.size, access.value);
  } else if (read) {
    access.value = read_legacy(access.offset, access.size);
  } else {
    write_legacy(access.offset, access.size, access.value);
  }
}

u64 PciTransport::read_legacy(u64 offset, unsigned) {
  const PciTransportState s = registers();
  const bool there = s.queue_select < device_->queue_count();
  switch (offset) {
    case kOffered: return (device_->offered() | kAnyLayout) & low_mask(32);
    case kAccepted: return device_->accepted() & low_mask(32);
    case kPage: return device_->queue(s.queue_select).descriptors >> kPageShiftLegacy;
    case kQueueSize: return device_->queue(s.queue_select).size;
    case kQueueSelect: return s.queue_select;
    case kStatus: return device_->status();
    case kIsr: return take_isr();
    case kConfigVector: return s.config_vector;
    case kQueueVector: return there ? s.queue_vectors[s.queue_select] : kNoVector;
    default: return 0;
  }
}

void PciTransport::write_legacy(u64 offset, unsigned size, u64 value) {
  switch (offset) {
    case kAccepted: return device_->accept(value & ~kAnyLayout & low_mask(32));
    case kLegacyNotify: return device_->kick(static_cast<unsigned>(value));
    case kStatus: return write_status(static_cast<u8>(value & ~kFeaturesOk));
    case kPage: {
      const u16 selected = registers().queue_select;
      QueueState q = device_->queue(selected);
      place(q, value);
      device_->set_queue(selected, q);
      return place_doorbells();
    }
    default: break;
  }
  std::lock_guard lock(mutex_);
  if (offset == kQueueSelect) state_.queue_select = static_cast<u16>(value);
  if (size != 2) return;
  if (offset == kConfigVector) state_.config_vector = valid_vector(value);
  if (offset == kQueueVector && state_.queue_select < device_->queue_count())
    state_.queue_vectors[state_.queue_select] = valid_vector(value);
}

}  // namespace tandem::devices::virtio
