#include "devices/virtio/pci_transport.h"

#include <bit>
#include <utility>

#include "core/base/bits.h"
#include "devices/pci/regs.h"

namespace tandem::devices::virtio {

namespace {

constexpr u16 kVendor = 0x1af4, kTransitional = 0x1000;  // 4.1.2.1, 4.1.2.3
constexpr unsigned kLegacyBar = 0, kMsixBar = 1, kModernBar = 4;
constexpr u64 kLegacySize = 128;
// Where the structures of 4.1.4 are in the BAR.
constexpr u64 kRegion = 0x1000, kCommon = 0, kIsr = 1 * kRegion, kConfig = 2 * kRegion, kNotify = 3 * kRegion,
              kModernSize = 4 * kRegion;
constexpr u32 kNotifyStep = 4;
enum CapabilityKind : u8 { kCommonCap = 1, kNotifyCap, kIsrCap, kDeviceCap, kWindowCap };
// Offsets in the window capability.
constexpr unsigned kWindowBar = 4, kWindowOffset = 8, kWindowLength = 12, kWindowData = 16;

// 4.1.4.3: the common configuration structure.
constexpr u64 kOfferedSelect = 0, kOffered = 4, kAcceptedSelect = 8, kAccepted = 12, kConfigVector = 16,
              kQueueCount = 18, kStatus = 20, kGeneration = 21, kQueueSelect = 22, kQueueSize = 24,
              kQueueVector = 26, kQueueEnable = 28, kQueueNotify = 30, kAreas = 32, kEnd = 56;  // three areas

u16 transitional_id(DeviceType type) {
  switch (type) {
    case DeviceType::Net: return kTransitional;
    case DeviceType::Block: return kTransitional + 1;
    case DeviceType::Balloon: return kTransitional + 2;
    case DeviceType::Console: return kTransitional + 3;
    case DeviceType::Entropy: return kTransitional + 5;
    case DeviceType::Plan9: return kTransitional + 9;
    default: return 0;
  }
}

// Types without a transitional number exist as modern devices only.
PciIdentity pci_identity(const Model::Identity& id) {
  const u16 type = static_cast<u16>(id.type);
  const u16 old = transitional_id(id.type);
  return {.vendor = kVendor,
          .device = old ? old : static_cast<u16>(0x1040 + type),
          .class_code = id.pci_class,
          .revision = static_cast<u8>(old ? 0 : 1),
          .subsystem_vendor = kVendor,
          .subsystem = old ? type : static_cast<u16>(0x1100),
          .interrupt_pin = 1};
}

u64 replaced(u64 old, u64 offset, unsigned size, u64 value) {
  const unsigned shift = static_cast<unsigned>(8 * offset);
  const u64 mask = low_mask(8 * size) << shift;
  return (old & ~mask) | (value << shift & mask);
}

}  // namespace

PciTransport::PciTransport(machine::DeviceContext ctx, std::unique_ptr<Model> device, irq::LevelIrq irq,
                           irq::MsiTarget& msi)
    : PciDevice(ctx, pci_identity(device->identity())),
      device_(std::move(device)),
      msix_(device_->queue_count() + 1, msi),
      irq_(irq),
      modern_(*this, &PciTransport::modern_io),
      legacy_(*this, &PciTransport::legacy_io) {
  state_ = initial_state();
  device_->connect(*this);
  if (transitional_id(device_->identity().type)) add_bar(kLegacyBar, BarKind::Io, kLegacySize, legacy_);
  add_bar(kModernBar, BarKind::Memory32, kModernSize, modern_);
  add_msix(kMsixBar, msix_);
  add_capabilities();
}

// A back end may still call the device, and that calls us.
PciTransport::~PciTransport() {
  std::ignore = device_->quiesce();
  device_.reset();
}

PciTransportState PciTransport::initial_state() const {
  PciTransportState s;
  s.queue_vectors.assign(device_->queue_count(), kNoVector);
  return s;
}

// 4.1.4
void PciTransport::add_capabilities() {
  const auto add = [this](CapabilityKind kind, u64 offset, u64 length, unsigned size = 16) {
    const unsigned at = add_capability(pci::kCapabilityVendor, size);
    set_config(at + 2, 1, size);
    set_config(at + 3, 1, kind);
    set_config(at + kWindowBar, 1, kModernBar);
    set_config(at + kWindowOffset, 4, static_cast<u32>(offset));
    set_config(at + kWindowLength, 4, static_cast<u32>(length));
    return at;
  };
  add(kCommonCap, kCommon, kEnd);
  add(kIsrCap, kIsr, 1);
  add(kDeviceCap, kConfig, kRegion);
  const unsigned notify = add(kNotifyCap, kNotify, kRegion, 20);
  set_config(notify + 16, 4, kNotifyStep);
  window_ = add(kWindowCap, 0, 0, 20);
  set_writable(window_ + kWindowBar, {0xff});
  for (const unsigned field : {kWindowOffset, kWindowLength, kWindowData})
    set_writable(window_ + field, {0xff, 0xff, 0xff, 0xff});
}

// 4.1.4.9: an access to the data is one to the BAR.
bool PciTransport::window_access(bus::IoDir dir, u64& value) {
  const u32 offset = config(window_ + kWindowOffset, 4), size = config(window_ + kWindowLength, 4);
  if (config(window_ + kWindowBar, 1) != kModernBar || !std::has_single_bit(size) || size > 4 ||
      offset % size || offset >= kModernSize)
    return false;
  bus::IoAccess access{bus::BusKind::Mmio, dir, static_cast<u8>(size), VcpuId{0}, 0, offset, value};
  modern_io(access);
  value = access.value;
  return true;
}

void PciTransport::config_wanted(unsigned offset, unsigned) {
  u64 value = 0;
  if (offset >> 2 == (window_ + kWindowData) >> 2 && window_access(bus::IoDir::Read, value))
    put_config(window_ + kWindowData, 4, static_cast<u32>(value));
}

void PciTransport::config_written(unsigned offset, unsigned) {
  u64 value = config(window_ + kWindowData, 4);
  if (offset >> 2 == (window_ + kWindowData) >> 2) window_access(bus::IoDir::Write, value);
}

void PciTransport::queue_used(unsigned queue) {
  u16 vector = 0;
  {
    std::lock_guard lock(mutex_);
    vector = state_.queue_vectors[queue];
  }
  interrupt(vector, kIsrQueue);
}

void PciTransport::config_changed() {
  u16 vector = 0;
  {
    std::lock_guard lock(mutex_);
    vector = state_.config_vector;
  }
  interrupt(vector, kIsrConfig);
}

void PciTransport::interrupt(u16 vector, u8 isr_bit) {
  if (msix_.enabled()) {
    if (vector != kNoVector) msix_.raise(vector);
    return;
  }
  std::lock_guard lock(mutex_);
  state_.isr |= isr_bit;
  irq_.raise();
}

// 4.1.4.5: reading takes the interrupt back.
u8 PciTransport::take_isr() {
  std::lock_guard lock(mutex_);
  irq_.lower();
  return std::exchange(state_.isr, u8{0});
}

void PciTransport::write_status(u8 value) {
  device_->write_status(value);
  place_doorbells();
  if (value) return;
  std::lock_guard lock(mutex_);
  state_ = initial_state();
  irq_.lower();
}

// Where the driver notifies of the queues that are in use: each has a place of its own, or, for drivers of
// 0.9.5, a value.
void PciTransport::place_doorbells() {
  std::vector<bus::Bell> modern, legacy;
  const bool is_modern = device_->accepted() & kVersion1;
  for (unsigned n = 0; n < device_->queue_count(); ++n) {
    if (!device_->in_use(n)) continue;
    if (is_modern) modern.push_back({kNotify + n * kNotifyStep});
    else legacy.push_back({kLegacyNotify, sizeof(u16), n});
  }
  set_doorbells(kModernBar, std::move(modern));
  set_doorbells(kLegacyBar, std::move(legacy));
}

u16 PciTransport::valid_vector(u64 value) const {
  return value < msix_.vectors() ? static_cast<u16>(value) : kNoVector;
}

PciTransportState PciTransport::registers() const {
  std::lock_guard lock(mutex_);
  return state_;
}

void PciTransport::modern_io(bus::IoAccess& access) {
  const bool read = access.dir == bus::IoDir::Read;
  const u64 offset = access.offset % kRegion;
  switch (access.offset - offset) {
    case kCommon:
      if (read) access.value = read_common(offset, access.size);
      else write_common(offset, access.size, access.value);
      break;
    case kIsr:
      if (read && offset == 0) access.value = take_isr();
      break;
    case kConfig:
      if (read) access.value = device_->read_config(offset, access.size);
      else device_->write_config(offset, access.size, access.value);
      break;
    default:
      if (!read) device_->kick(static_cast<unsigned>(offset / kNotifyStep));
  }
}

u64 PciTransport::read_common(u64 offset, unsigned size) const {
  std::unique_lock lock(mutex_);
  const u16 selected = state_.queue_select;
  const bool there = selected < device_->queue_count();
  switch (offset) {
    case kOfferedSelect: return state_.offered_select;
    case kOffered: return state_.offered_select > 1 ? 0 : device_->offered() >> 32 * state_.offered_select;
    case kAcceptedSelect: return state_.accepted_select;
    case kConfigVector: return state_.config_vector;
    case kQueueCount: return device_->queue_count();
    case kQueueSelect: return selected;
    case kQueueVector: return there ? state_.queue_vectors[selected] : kNoVector;
    case kQueueNotify: return selected;
    default: break;
  }
  const u32 half = state_.accepted_select;
  lock.unlock();  // what follows asks the device
  if (offset == kAccepted) return half > 1 ? 0 : device_->accepted() >> 32 * half;
  if (offset == kStatus) return device_->status();
  if (offset == kGeneration) return device_->config_generation();
  const QueueState q = device_->queue(selected);
  if (offset == kQueueSize) return q.size;
  if (offset == kQueueEnable) return q.enabled;
  if (offset < kAreas || offset + size > kEnd) return 0;
  const u64 areas[] = {q.descriptors, q.driver, q.device};
  return areas[(offset - kAreas) / 8] >> 8 * (offset % 8);
}

void PciTransport::write_common(u64 offset, unsigned size, u64 value) {
  std::unique_lock lock(mutex_);
  switch (offset) {
    case kOfferedSelect: state_.offered_select = static_cast<u32>(value); return;
    case kAcceptedSelect: state_.accepted_select = static_cast<u32>(value); return;
    case kConfigVector: state_.config_vector = valid_vector(value); return;
    case kQueueSelect: state_.queue_select = static_cast<u16>(value); return;
    case kQueueVector:
      if (state_.queue_select < device_->queue_count())
        state_.queue_vectors[state_.queue_select] = valid_vector(value);
      return;
    default: break;
  }
  const u32 half = state_.accepted_select;
  lock.unlock();
  if (offset == kAccepted) {
    if (half < 2) device_->accept(replaced(device_->accepted(), 4 * half, 4, value));
  } else if (offset == kStatus) {
    // 4.1.4.3.2: a driver of 1.0 and later says so by VERSION_1; without it FEATURES_OK is refused.
    const bool modern = device_->accepted() & kVersion1;
    write_status(static_cast<u8>(modern ? value : value & ~u64{kFeaturesOk}));
  } else {
    write_queue(offset, size, value);
  }
}

void PciTransport::write_queue(u64 offset, unsigned size, u64 value) {
  const u16 selected = registers().queue_select;
  QueueState q = device_->queue(selected);
  if (offset == kQueueSize) q.size = static_cast<u16>(value);
  else if (offset == kQueueEnable) q.enabled = q.enabled || value == 1;
  else if (offset >= kAreas && offset + size <= kEnd) {
    u64* const areas[] = {&q.descriptors, &q.driver, &q.device};
    u64& area = *areas[(offset - kAreas) / 8];
    area = replaced(area, offset % 8, size, value);
  }
  device_->set_queue(selected, q);
  if (offset == kQueueEnable) place_doorbells();
}

void PciTransport::reset(machine::ResetKind) {
  device_->reset();
  place_doorbells();
  reset_config();
  msix_.reset();
  std::lock_guard lock(mutex_);
  state_ = initial_state();
  irq_.lower();
}

void PciTransport::save(snapshot::StateWriter& writer) const {
  writer.begin_section(name(), 1);
  writer(config_state(), registers(), msix_.state());
  device_->save(writer);
  writer.end_section();
}

Result<void> PciTransport::load(snapshot::StateReader& reader) {
  PciConfig config;
  PciTransportState state;
  std::vector<MsixVector> vectors;
  TANDEM_TRY(reader.begin_section(name(), 1));
  reader(config, state, vectors);
  reader.check(msix_.fits(vectors) && state.queue_vectors.size() == device_->queue_count(), "the queues");
  const auto load_device = device_->load(reader);
  TANDEM_TRY(reader.end_section());
  {
    std::lock_guard lock(mutex_);
    state_ = state;
    irq_.set(state.isr != 0);
  }
  msix_.set_state(vectors);
  load_config(config);
  load_device();
  place_doorbells();
  return {};
}

}  // namespace tandem::devices::virtio
