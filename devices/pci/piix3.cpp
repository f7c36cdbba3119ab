#include "core/base/bits.h"
#include "devices/pci/piix.h"

namespace tandem::devices {

namespace {

// 82371SB data sheet, 2.2.6 "PIRQRC[A:D]".
constexpr unsigned kPirqRoute = 0x60;
constexpr u8 kPirqOff = 0x80;

}  // namespace

Piix3::Piix3(machine::DeviceContext ctx, const std::array<irq::IrqWire*, 16>& isa_wires)
    : PciDevice(ctx, {.vendor = 0x8086, .device = 0x7000, .class_code = 0x060100, .multifunction = true}) {
  for (irq::IrqWire* w : isa_wires) outputs_.emplace_back(*w);
  // As firmware leaves it; the ACPI tables say the same.
  for (unsigned i = 0; i < 4; ++i) set_config(kPirqRoute + i, 1, i < 2 ? 10 : 11);
  set_writable(kPirqRoute, {0x8f, 0x8f, 0x8f, 0x8f});
}

void Piix3::route() {
  u32 asserted = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const u8 r = static_cast<u8>(config(kPirqRoute + i, 1));
    if ((levels_ >> i & 1) && !(r & kPirqOff)) asserted |= 1u << (r & 15);
  }
  // 0, 1, 2, 8 and 13 belong to the board.
  asserted &= 0xdef8;
  for (unsigned i = 0; i < outputs_.size(); ++i) outputs_[i].set(asserted >> i & 1);
}

irq::EdgeEffect Piix3::set_irq(unsigned pin, bool level) {
  std::lock_guard lock(mutex_);
  levels_ = static_cast<u8>(set_bit(levels_, pin & 3, level));
  route();
  return irq::EdgeEffect::None;  // these are levels
}

void Piix3::config_written(unsigned offset, unsigned) {
  if (offset < kPirqRoute || offset >= kPirqRoute + 4) return;
  std::lock_guard lock(mutex_);
  route();
}

void Piix3::reset(machine::ResetKind) {
  reset_config();
  std::lock_guard lock(mutex_);
  route();
}

void Piix3::save(snapshot::StateWriter& writer) const {
  snapshot::save_section(writer, name(), 1, config_state());
}

// The levels come from the wires: their drivers set them again.
Result<void> Piix3::load(snapshot::StateReader& reader) {
  PciConfig config;
  TANDEM_TRY(snapshot::load_section(reader, name(), 1, config));
  load_config(config);
  std::lock_guard lock(mutex_);
  route();
  return {};
}

}  // namespace tandem::devices
