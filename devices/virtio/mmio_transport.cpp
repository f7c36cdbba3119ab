#include "devices/virtio/mmio_transport.h"

#include <algorithm>

namespace tandem::devices::virtio {

namespace {

// 4.2.2, table 4.1.
constexpr u64 kMagic = 0x00, kVersion = 0x04, kDeviceId = 0x08, kVendorId = 0x0c, kOffered = 0x10,
              kOfferedSelect = 0x14, kAccepted = 0x20, kAcceptedSelect = 0x24, kQueueSelect = 0x30,
              kQueueSizeMax = 0x34, kQueueSize = 0x38, kQueueReady = 0x44, kQueueNotify = 0x50,
              kInterruptStatus = 0x60, kInterruptAck = 0x64, kStatus = 0x70, kAreas = 0x80, kAreasEnd = 0xa8,
              kSharedMemory = 0xb0, kSharedMemoryEnd = 0xc0, kGeneration = 0xfc, kConfig = 0x100;
constexpr u64 kAreaStep = 0x10;  // from one area's low half to the next one's
constexpr u32 kMagicValue = 0x74726976, kVersionValue = 2, kVendor = 0x4d444e54;

// One of the three addresses of a queue, and how far its half is shifted.
template <class State>
auto& area(State& q, u64 offset) {
  switch ((offset - kAreas) / kAreaStep) {
    case 0: return q.descriptors;
    case 1: return q.driver;
    default: return q.device;
  }
}
bool is_area(u64 offset) {
  return offset >= kAreas && offset < kAreasEnd && (offset - kAreas) % kAreaStep < 8;
}
unsigned shift(u64 offset) { return static_cast<unsigned>(8 * (offset & 4)); }
u64 with_half(u64 whole, unsigned shift, u32 half) {
  return (whole & ~(u64{0xffffffff} << shift)) | u64{half} << shift;
}

}  // namespace

MmioTransport::MmioTransport(std::unique_ptr<Model> device, irq::LevelIrq irq)
    : device_(std::move(device)), irq_(irq) {
  device_->connect(*this);
}

// A back end may still call the device, and that calls us.
MmioTransport::~MmioTransport() {
  std::ignore = device_->quiesce();
  device_.reset();
}

void MmioTransport::queue_used(unsigned) { interrupt(kIsrQueue); }
void MmioTransport::config_changed() { interrupt(kIsrConfig); }

void MmioTransport::interrupt(u8 isr_bit) {
  std::lock_guard lock(mutex_);
  state_.isr |= isr_bit;
  irq_.raise();
}

MmioTransportState MmioTransport::registers() const {
  std::lock_guard lock(mutex_);
  return state_;
}

// 4.2.2.2: registers are 32 bits wide; configuration has fields of any size.
void MmioTransport::io(bus::IoAccess& access) {
  const bool read = access.dir == bus::IoDir::Read;
  if (access.offset >= kConfig) {
    const u64 offset = access.offset - kConfig;
    if (read) access.value = device_->read_config(offset, access.size);
    else device_->write_config(offset, access.size, access.value);
  } else if (access.size == 4 && access.offset % 4 == 0) {
    if (read) access.value = read_register(access.offset);
    else write_register(access.offset, static_cast<u32>(access.value));
  }
}

u32 MmioTransport::read_register(u64 offset) const {
  const MmioTransportState s = registers();
  switch (offset) {
    case kMagic: return kMagicValue;
    case kVersion: return kVersionValue;
    case kDeviceId: return static_cast<u32>(device_->identity().type);
    case kVendorId: return kVendor;
    case kOffered:
      return s.offered_select > 1 ? 0 : static_cast<u32>(device_->offered() >> 32 * s.offered_select);
    case kQueueSizeMax: return device_->max_queue_size(s.queue_select);
    case kQueueReady: return device_->queue(s.queue_select).enabled;
    case kInterruptStatus: return s.isr;
    case kStatus: return device_->status();
    case kGeneration: return device_->config_generation();
    default: break;
  }
  // 4.2.2: no shared memory, in all four halves of its length and place.
  return offset >= kSharedMemory && offset < kSharedMemoryEnd ? ~u32{0} : 0;
}

bool MmioTransport::write_own(u64 offset, u32 value) {
  std::lock_guard lock(mutex_);
  switch (offset) {
    case kOfferedSelect: return state_.offered_select = value, true;
    case kAcceptedSelect: return state_.accepted_select = value, true;
    case kQueueSelect: return state_.queue_select = value, true;
    case kInterruptAck:
      state_.isr &= static_cast<u8>(~value);
      irq_.set(state_.isr != 0);
      return true;
    default: return false;
  }
}

void MmioTransport::write_register(u64 offset, u32 value) {
  if (write_own(offset, value)) return;
  if (offset == kQueueNotify) return device_->kick(value & 0xffff);
  if (offset == kStatus) return write_status(static_cast<u8>(value));
  if (offset != kAccepted) return write_queue(offset, value);
  const u32 half = registers().accepted_select;
  if (half > 1) return;
  device_->accept(with_half(device_->accepted(), 32 * half, value));
}

// As for PCI: a driver of 1.0 and later says so by VERSION_1.
void MmioTransport::write_status(u8 value) {
  const bool modern = device_->accepted() & kVersion1;
  device_->write_status(static_cast<u8>(modern ? value : value & ~kFeaturesOk));
  place_doorbells();
  if (value) return;
  std::lock_guard lock(mutex_);
  state_ = {};
  irq_.lower();
}

void MmioTransport::write_queue(u64 offset, u32 value) {
  const u32 selected = registers().queue_select;
  QueueState q = device_->queue(selected);
  if (offset == kQueueSize) {
    q.size = static_cast<u16>(std::min<u32>(value, 0xffff));
  } else if (offset == kQueueReady) {
    q.enabled = value & 1;
  } else if (is_area(offset)) {
    u64& address = area(q, offset);
    address = with_half(address, shift(offset), value);
  }
  device_->set_queue(selected, q);
  if (offset == kQueueReady) place_doorbells();
}

// 4.2.3.3: the driver notifies of a queue by its number.
void MmioTransport::place_doorbells() {
  std::vector<bus::Bell> bells;
  for (unsigned n = 0; n < device_->queue_count(); ++n)
    if (device_->in_use(n)) bells.push_back({kQueueNotify, sizeof(u32), n});
  claim_.set_doorbells(std::move(bells));
}

void MmioTransport::reset(machine::ResetKind) {
  device_->reset();
  place_doorbells();
  std::lock_guard lock(mutex_);
  state_ = {};
  irq_.lower();
}

void MmioTransport::save(snapshot::StateWriter& writer) const {
  writer.begin_section(name(), 1);
  writer(registers());
  device_->save(writer);
  writer.end_section();
}

Result<void> MmioTransport::load(snapshot::StateReader& reader) {
  MmioTransportState state;
  TANDEM_TRY(reader.begin_section(name(), 1));
  reader(state);
  const auto load_device = device_->load(reader);
  TANDEM_TRY(reader.end_section());
  {
    std::lock_guard lock(mutex_);
    state_ = state;
    irq_.set(state.isr != 0);
  }
  load_device();
  place_doorbells();
  return {};
}

}  // namespace tandem::devices::virtio
