#include "devices/pci/pci_device.h"

#include <bit>

#include "core/base/assert.h"
#include "core/base/bits.h"
#include "devices/pci/regs.h"

namespace tandem::devices {

using namespace pci;

PciDevice::PciDevice(machine::DeviceContext context, const PciIdentity& id) : context_(context) {
  set_config(kVendorId, 2, id.vendor);
  set_config(kDeviceId, 2, id.device);
  set_config(kRevision, 1, id.revision);
  set_config(kClass, 2, id.class_code & 0xffff);
  set_config(kClass + 2, 1, id.class_code >> 16);
  set_config(kHeaderType, 1, id.multifunction ? 0x80 : 0);
  set_config(kSubsystemVendor, 2, id.subsystem_vendor);
  set_config(kSubsystem, 2, id.subsystem);
  set_config(kInterruptPin, 1, id.interrupt_pin);
  set_writable(kCommand, {kCommandIo | kCommandMemory | kCommandMaster, kCommandIntxOff >> 8});
  set_writable(kInterruptLine, {0xff});
}

void PciDevice::set_config(unsigned offset, unsigned size, u32 value) {
  std::lock_guard lock(config_mutex_);
  for (unsigned i = 0; i < size; ++i) {
    const u8 byte = static_cast<u8>(value >> (8 * i));
    config_.bytes[offset + i] = byte;
    initial_.bytes[offset + i] = byte;
  }
}

void PciDevice::put_config(unsigned offset, unsigned size, u32 value) {
  std::lock_guard lock(config_mutex_);
  for (unsigned i = 0; i < size; ++i) config_.bytes[offset + i] = static_cast<u8>(value >> (8 * i));
}

u32 PciDevice::config(unsigned offset, unsigned size) const {
  std::lock_guard lock(config_mutex_);
  u32 value = 0;
  for (unsigned i = 0; i < size; ++i)
    value |= static_cast<u32>(config_.bytes[(offset + i) & 0xff]) << (8 * i);
  return value;
}

u16 PciDevice::config_word(unsigned offset) const { return load_le<u16>(&config_.bytes[offset]); }

bool PciDevice::bus_master() const {
  std::lock_guard lock(config_mutex_);
  return (config_word(kCommand) & kCommandMaster) && !sleeps();
}

void PciDevice::set_writable(unsigned offset, std::initializer_list<u8> masks) {
  std::lock_guard lock(config_mutex_);
  for (u8 m : masks) writable_[offset++] = m;
}

unsigned PciDevice::add_capability(u8 id, unsigned size) {
  const unsigned at = next_capability_;
  ensure(at + size <= 256, "PCI capabilities fit into the configuration space");
  next_capability_ = static_cast<unsigned>(align_up(at + size, 4));
  set_config(at, 1, id);
  set_config(last_link_, 1, at);
  last_link_ = at + 1;
  set_config(kStatus, 1, config(kStatus, 1) | kStatusCapabilities);
  return at;
}

void PciDevice::add_msix(unsigned bar, Msix& msix) {
  const unsigned at = add_capability(kCapabilityMsix, 12);
  msix_control_ = at + 2;
  set_config(msix_control_, 2, msix.vectors() - 1);
  set_writable(msix_control_ + 1, {(kMsixEnable | kMsixMask) >> 8});
  set_config(at + 4, 4, bar);
  set_config(at + 8, 4, Msix::kPending | bar);
  add_bar(bar, BarKind::Memory32, Msix::kBarSize, msix);
  msix_ = &msix;
}

void PciDevice::tell_msix() {
  if (msix_) msix_->set_control(static_cast<u16>(config(msix_control_, 2)));
}

void PciDevice::add_interrupt(irq::LevelIrq intx, irq::MsiTarget& msi) {
  set_config(kInterruptPin, 1, 1);
  intx_ = intx;
  msi_target_ = &msi;
  msi_ = add_capability(kCapabilityMsi, kMsiSize);
  set_config(msi_ + kMsiControl, 2, kMsi64);
  set_writable(msi_ + kMsiControl, {kMsiEnable});
  set_writable(msi_ + kMsiAddress, {0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
}

bool PciDevice::msi_enabled() const { return msi_ && (config_word(msi_ + kMsiControl) & kMsiEnable); }

bool PciDevice::uses_messages() const {
  std::lock_guard lock(config_mutex_);
  return msi_enabled();
}

// A message is a write to memory, by a bus master.
void PciDevice::send_message() {
  if (!msi_enabled() || !(config_word(kCommand) & kCommandMaster) || sleeps()) return;
  msi_target_->send({load_le<u64>(&config_.bytes[msi_ + kMsiAddress]), config_word(msi_ + kMsiData)});
}

// 6.2.2, 6.2.3: the status bit shows the interrupt whatever becomes of it.
void PciDevice::drive_intx() {
  if (!intx_) return;
  u8& status = config_.bytes[kStatus];
  status = static_cast<u8>(interrupt_ ? status | kStatusInterrupt : status & ~kStatusInterrupt);
  intx_->set(interrupt_ && !msi_enabled() && !(config_word(kCommand) & kCommandIntxOff));
}

void PciDevice::set_interrupt(bool level) {
  std::lock_guard lock(config_mutex_);
  if (level == interrupt_) return;
  interrupt_ = level;
  if (level) send_message();
  drive_intx();
}

void PciDevice::repeat_interrupt() {
  std::lock_guard lock(config_mutex_);
  if (interrupt_) send_message();
}

void PciDevice::load_interrupt(bool level) {
  std::lock_guard lock(config_mutex_);
  interrupt_ = level;
  drive_intx();
}

void PciDevice::add_power_management() {
  power_ = add_capability(kCapabilityPower, kPowerSize);
  set_config(power_ + kPowerCapabilities, 2, kPowerVersion);
  set_config(power_ + kPowerControl, 2, kPowerNoSoftReset);
  set_writable(power_ + kPowerControl, {kPowerState});
}

bool PciDevice::sleeps() const {
  return power_ && (config_word(power_ + kPowerControl) & kPowerState) == kPowerD3;
}

// 3.2.4: a write of a state that there is none of has no effect.
void PciDevice::keep_power_state(u8 old) {
  if (!power_) return;
  u8& control = config_.bytes[power_ + kPowerControl];
  if ((control & kPowerState) != kPowerD0 && (control & kPowerState) != kPowerD3) control = old;
}

void PciDevice::add_bar(unsigned index, BarKind kind, u64 size, bus::IoHandler& handler) {
  make_bar({kBar0 + 4 * index, kind, size, &handler, {}});
}

void PciDevice::add_bar(unsigned index, BarKind kind, u64 size, mem::Backing memory) {
  make_bar({kBar0 + 4 * index, kind, size, nullptr, memory});
}

void PciDevice::add_rom(u64 size, u64 offset) {
  make_bar({kRom, BarKind::Rom, size, nullptr, {.read = offset}});
}

void PciDevice::make_bar(Bar bar) {
  ensure(std::has_single_bit(bar.size), "a BAR's size is a power of two");
  const u32 type = bar.kind == BarKind::Io               ? kBarIo
                   : bar.kind == BarKind::Memory64       ? kBar64
                   : bar.kind == BarKind::Prefetchable32 ? kBarPrefetchable
                   : bar.kind == BarKind::Prefetchable64 ? kBar64 | kBarPrefetchable
                                                         : 0;
  set_config(bar.at, 4, type);
  const u64 mask = ~(bar.size - 1);
  const unsigned width = type & kBar64 ? 8 : 4;
  std::lock_guard lock(config_mutex_);
  for (unsigned i = 0; i < width; ++i) writable_[bar.at + i] = static_cast<u8>(mask >> (8 * i));
  writable_[bar.at] = bar.kind == BarKind::Rom
                          ? kRomEnable
                          : static_cast<u8>(writable_[bar.at] & (bar.kind == BarKind::Io ? ~3 : ~15));
  bars_.push_back(std::move(bar));
}

u64 PciDevice::bar_address(const Bar& bar) const {
  const u8* c = config_.bytes.data();
  const u16 command = load_le<u16>(c + kCommand);
  const bool io = bar.kind == BarKind::Io, rom = bar.kind == BarKind::Rom;
  if (!(command & (io ? kCommandIo : kCommandMemory)) || sleeps()) return ~u64{0};
  const u8* at = c + bar.at;
  if (rom && !(*at & kRomEnable)) return ~u64{0};
  const bool wide = bar.kind == BarKind::Memory64 || bar.kind == BarKind::Prefetchable64;
  const u64 value = wide ? load_le<u64>(at) : load_le<u32>(at);
  const u64 address = value & (rom ? kRomAddress : ~(io ? u64{3} : u64{15}));
  // While a driver measures the size, the register holds ones.
  const u64 top = io ? 0x10000 : wide ? u64{1} << 52 : u64{1} << 32;
  if (address == 0 || address >= top || address + bar.size > top ||
      (!wide && !io && address + bar.size == top))
    return ~u64{0};
  return address;
}

// False: something else is there.
bool PciDevice::map_bar(Bar& bar, u64 address) {
  if (!bar.handler) {
    bar.mapping = context_.memory.map(Gpa{address}, bar.size, bar.memory);
    return bar.mapping.held();
  }
  auto claim = (bar.kind == BarKind::Io ? context_.pio : context_.mmio)
                   .claim({address, bar.size}, *bar.handler, name());
  if (!claim) return false;
  bar.claim = claim.take();
  bar.claim.set_doorbells(bar.doorbells);
  return true;
}

void PciDevice::set_doorbells(unsigned index, std::vector<bus::Bell> bells) {
  std::lock_guard lock(config_mutex_);
  for (Bar& bar : bars_) {
    if (bar.at != kBar0 + 4 * index) continue;
    bar.doorbells = std::move(bells);
    bar.claim.set_doorbells(bar.doorbells);
  }
}

void PciDevice::map_bars() {
  for (Bar& b : bars_) {
    const u64 address = bar_address(b);
    if (address == b.mapped) continue;
    b.claim.release();
    b.mapping.release();
    b.mapped = address;
    if (address != ~u64{0} && !map_bar(b, address))
      context_.counters.get("pci.bar_conflicts").fetch_add(1, std::memory_order_relaxed);
  }
}

u32 PciDevice::read_config(unsigned offset, unsigned size) {
  config_wanted(offset, size);
  return config(offset, size);
}

void PciDevice::write_config(unsigned offset, unsigned size, u32 value) {
  {
    std::lock_guard lock(config_mutex_);
    const u8 power = config_.bytes[power_ + kPowerControl];
    for (unsigned i = 0; i < size; ++i) {
      u8& byte = config_.bytes[(offset + i) & 0xff];
      const u8 mask = writable_[(offset + i) & 0xff];
      byte = static_cast<u8>((byte & ~mask) | (value >> (8 * i) & mask));
    }
    const auto touches = [&](unsigned first, unsigned count) {
      return offset < first + count && offset + size > first;
    };
    keep_power_state(power);
    const bool moves = touches(kCommand, 2) || touches(kBar0, 24) || touches(kRom, 4) ||
                       (power_ && touches(power_ + kPowerControl, 1));
    if (moves) map_bars();
    drive_intx();
  }
  if (msix_ && offset <= msix_control_ + 1 && offset + size > msix_control_) tell_msix();
  config_written(offset, size);
}

void PciDevice::config_wanted(unsigned, unsigned) {}
void PciDevice::config_written(unsigned, unsigned) {}

void PciDevice::reset_config() {
  {
    std::lock_guard lock(config_mutex_);
    config_ = initial_;
    interrupt_ = false;
    map_bars();
    drive_intx();
  }
  tell_msix();
}

PciConfig PciDevice::config_state() const {
  std::lock_guard lock(config_mutex_);
  return config_;
}

void PciDevice::load_config(const PciConfig& config) {
  {
    std::lock_guard lock(config_mutex_);
    // What the guest can't write is what this device is, not what a snapshot says.
    for (unsigned i = 0; i < 256; ++i) {
      const bool status = i == kStatus || i == kStatus + 1;
      if (writable_[i] && !status)
        config_.bytes[i] =
            static_cast<u8>((config_.bytes[i] & ~writable_[i]) | (config.bytes[i] & writable_[i]));
    }
    map_bars();
  }
  tell_msix();
}

}  // namespace tandem::devices
