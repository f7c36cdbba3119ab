#include "devices/pci/i440fx.h"

#include "core/base/bits.h"

namespace tandem::devices {

namespace {

// Intel 440FX data sheet, 3.1 "I/O mapped registers"; PIIX3, 2.5.3.1 "Reset control".
constexpr u64 kResetControl = 1, kData = 4;
constexpr u32 kAddressEnable = 0x80000000, kAddressMask = 0x80fffffc;
constexpr u8 kResetCpu = 4, kResetSystem = 2;
// 3.2.18 "PAM": low nibble of 59h unused, its high one for F0000h; the next six for 16 KiB twice each from
// C0000h.
constexpr unsigned kPam = 0x59, kPamCount = 7;
constexpr u8 kPamRead = 1, kPamWrite = 2;
constexpr u64 kPamStart = 0xc0000, kPamStep = 16 * KiB, kPamLast = 0xf0000, kRomStart = 0xe0000;
// 3.2.19 "SMRAM"
constexpr unsigned kSmram = 0x72;
constexpr u8 kSmramOpen = 0x40, kSmramDataClosed = 0x20, kSmramLock = 0x10, kSmramEnable = 0x08,
             kSmramWritable = 0x78, kSmramBase = 0x02;

}  // namespace

I440fx::I440fx(machine::DeviceContext ctx, std::function<void()> reset_request, LegacyWindow window)
    : PciDevice(ctx, {.vendor = 0x8086,
                      .device = 0x1237,
                      .class_code = 0x060000,
                      .revision = 2,
                      .subsystem_vendor = 0x1af4,  // by which SeaBIOS knows that there is fw_cfg
                      .subsystem = 0x1100}),
      reset_request_(std::move(reset_request)),
      window_(window),
      config_ports_(*this, &I440fx::config_io) {
  functions_[0] = this;
  set_config(kSmram, 1, kSmramBase);
  set_writable(kPam, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
  set_writable(kSmram, {kSmramWritable});
  if (!window_.all_ram) return;
  set_config(kPam, 1, (kPamRead | kPamWrite) << 4);
  for (unsigned i = 1; i < kPamCount; ++i) set_config(kPam + i, 1, (kPamRead | kPamWrite) * 0x11);
}

void I440fx::reset(machine::ResetKind) {
  set_writable(kSmram, {kSmramWritable});
  reset_config();
  std::lock_guard lock(mutex_);
  address_ = 0;
  reset_control_ = 0;
  apply_window();
}

void I440fx::config_written(unsigned offset, unsigned size) {
  const auto touches = [&](unsigned first, unsigned count) {
    return offset < first + count && offset + size > first;
  };
  if (!touches(kPam, kPamCount) && !touches(kSmram, 1)) return;
  std::lock_guard lock(mutex_);
  apply_window();
}

void I440fx::apply_window() {
  apply_smram();
  apply_pam(kPamLast, mem::kLegacyEnd - kPamLast, static_cast<u8>(config(kPam, 1) >> 4));
  for (unsigned i = 0; i < 2 * (kPamCount - 1); ++i)
    apply_pam(kPamStart + i * kPamStep, kPamStep,
              static_cast<u8>(config(kPam + 1 + i / 2, 1) >> (i % 2 * 4)));
}

void I440fx::apply_pam(u64 start, u64 length, u8 attributes) {
  const u64 rom = start >= kRomStart && window_.rom != mem::kNoMemory ? window_.rom + (start - kRomStart)
                                                                      : mem::kNoMemory;
  context().memory.set_legacy(Gpa{start}, length,
                              {.read = attributes & kPamRead ? start : rom,
                               .write = attributes & kPamWrite ? start : mem::kNoMemory});
}

void I440fx::apply_smram() {
  const u8 v = static_cast<u8>(config(kSmram, 1));
  if (v & kSmramLock) {
    put_config(kSmram, 1, v & ~kSmramOpen);
    set_writable(kSmram, {0});
  }
  const bool enabled = v & kSmramEnable;
  const bool open = enabled && (v & kSmramOpen) && !(v & kSmramLock);
  const u64 backing = open || window_.all_ram ? mem::kSmramStart : mem::kNoMemory;
  context().memory.set_legacy(Gpa{mem::kSmramStart}, mem::kSmramEnd - mem::kSmramStart, {backing, backing});
  context().memory.set_smram(!enabled               ? mem::Smram::Off
                             : v & kSmramDataClosed ? mem::Smram::CodeOnly
                                                    : mem::Smram::All);
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
  set_writable(kSmram, {kSmramWritable});
  load_config(config);
  std::lock_guard lock(mutex_);
  address_ = address;
  reset_control_ = reset_control;
  apply_window();
  return {};
}

}  // namespace tandem::devices
