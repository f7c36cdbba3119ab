#include "devices/pci/i440fx.h"

#include "core/base/bits.h"

namespace tandem::devices {

namespace {

// Intel 440FX data sheet, 3.1 "I/O mapped registers"; PIIX3, 2.5.3.1 "Reset control".
constexpr u64 kResetControl = 1, kData = 4;
constexpr u32 kAddressEnable = 0x80000000, kAddressMask = 0x80fffffc;
constexpr u8 kResetCpu = 4, kResetSystem = 2;
constexpr u64 kPam = 0x59, kSmram = 0x72;

}  // namespace

I440fx::I440fx(machine::DeviceContext ctx, std::function<void()> reset_request)
    : PciDevice(ctx, {.vendor = 0x8086, .device = 0x1237, .class_code = 0x060000, .revision = 2}),
      reset_request_(std::move(reset_request)),
      config_ports_(*this, &I440fx::config_io) {
  functions_[0] = this;
  set_config(kSmram, 1, 2);
  set_writable(kPam, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
  set_writable(kSmram, {0x7f});
}

void I440fx::reset(machine::ResetKind) {
  reset_config();
  std::lock_guard lock(mutex_);
  address_ = 0;
  reset_control_ = 0;
}

bool I440fx::write_reset_control(u8 value) {
  const bool rising = (value & kResetCpu) && !(reset_control_ & kResetCpu);
  reset_control_ = value & kResetSystem;
  return rising;
}

void I440fx::config_io(bus::IoAccess& access) {
  if (access.offset >= kData) return data_io(access);
  const bool read = access.dir == bus::IoDir::Read;
  bool wants_reset = false;
  {
    std::lock_guard lock(mutex_);
    if (access.size == 4 && access.offset == 0) {
      if (read) access.value = address_;
      else address_ = static_cast<u32>(access.value) & kAddressMask;
      return;
    }
    if (access.offset == kResetControl && access.size == 1) {
      if (read) access.value = reset_control_;
      else wants_reset = write_reset_control(static_cast<u8>(access.value));
    } else if (read) {
      access.value = low_mask(access.size * 8u);
    }
  }
  if (wants_reset) reset_request_();
}

void I440fx::data_io(bus::IoAccess& access) {
  u32 address = 0;
  {
    std::lock_guard lock(mutex_);
    address = address_;
  }
  const bool read = access.dir == bus::IoDir::Read;
  const bool on_bus0 = (address & kAddressEnable) && bits(address, 23, 16) == 0;
  PciDevice* device = on_bus0 ? functions_[bits(address, 15, 8)] : nullptr;
  const unsigned low = static_cast<unsigned>(access.offset - kData);
  if (!device || low + access.size > 4) {
    if (read) access.value = low_mask(access.size * 8u);
    return;
  }
  const unsigned offset = static_cast<unsigned>(bits(address, 7, 0)) + low;
  if (read) access.value = device->read_config(offset, access.size);
  else device->write_config(offset, access.size, static_cast<u32>(access.value));
}

void I440fx::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  writer.begin_section(name(), 1);
  writer(config_state(), address_, reset_control_);
  writer.end_section();
}

Result<void> I440fx::load(snapshot::StateReader& reader) {
  PciConfig config;
  u32 address = 0;
  u8 reset_control = 0;
  TANDEM_TRY(reader.begin_section(name(), 1));
  reader(config, address, reset_control);
  reader.check((address & ~kAddressMask) == 0, "the address register");
  TANDEM_TRY(reader.end_section());
  load_config(config);
  std::lock_guard lock(mutex_);
  address_ = address;
  reset_control_ = reset_control;
  return {};
}

}  // namespace tandem::devices
