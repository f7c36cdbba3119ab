#include "devices/platform/ioapic.h"

#include "core/base/bits.h"

namespace tandem::devices {

namespace {

// 82093AA data sheet, 3.0 "Register description".
constexpr u64 kRegSelect = 0x00, kWindow = 0x10, kEoi = 0x40;
constexpr u8 kId = 0, kVersion = 1, kArbitration = 2, kRedirectionTable = 0x10;
constexpr u32 kVersionValue = 0x20 | (IoapicState::kPins - 1) << 16;
constexpr u64 kRemoteIrr = 1u << 14, kLevel = 1u << 15, kMasked = 1u << 16;
constexpr u64 kWritable = 0xff0000000001afff;

irq::Delivery delivery_of(u64 entry) { return static_cast<irq::Delivery>(bits(entry, 10, 8)); }

// 3.2.4: the other delivery modes have no EOI, and are edges whatever the entry says.
bool is_level(u64 entry) {
  const irq::Delivery delivery = delivery_of(entry);
  return (entry & kLevel) && (delivery == irq::Delivery::Fixed || delivery == irq::Delivery::LowestPriority);
}

}  // namespace

Ioapic::Ioapic(irq::ApicBus& apic_bus) : apic_bus_(apic_bus) { reset(machine::ResetKind::PowerOn); }

void Ioapic::reset(machine::ResetKind) {
  std::lock_guard lock(mutex_);
  const u32 lines = state_.lines;
  state_ = IoapicState{};
  state_.lines = lines;
  for (u64& r : state_.redirection) r = kMasked;
}

irq::EdgeEffect Ioapic::service(unsigned pin) {
  u64& r = state_.redirection[pin];
  if (r & kMasked) return irq::EdgeEffect::None;
  const bool level = is_level(r);
  if (level) {
    if (!(state_.lines >> pin & 1) || (r & kRemoteIrr)) return irq::EdgeEffect::None;
    r |= kRemoteIrr;
  }
  return apic_bus_.deliver({.destination = static_cast<u32>(r >> 56),
                            .logical = bit(r, 11),
                            .delivery = delivery_of(r),
                            .vector = static_cast<u8>(r),
                            .level = level});
}

irq::EdgeEffect Ioapic::set_irq(unsigned pin, bool level) {
  if (pin >= IoapicState::kPins) return irq::EdgeEffect::None;
  std::lock_guard lock(mutex_);
  const bool was = state_.lines >> pin & 1;
  state_.lines = static_cast<u32>(set_bit(state_.lines, pin, level));
  // An edge on a masked pin is lost, as on the chip; a level is seen when the mask goes.
  return level && !was ? service(pin) : irq::EdgeEffect::None;
}

void Ioapic::end_of_interrupt(u8 vector) {
  std::lock_guard lock(mutex_);
  for (unsigned pin = 0; pin < IoapicState::kPins; ++pin) {
    u64& r = state_.redirection[pin];
    if (!(r & kRemoteIrr) || (r & 0xff) != vector) continue;
    r &= ~kRemoteIrr;
    service(pin);
  }
}

u32 Ioapic::read_reg() const {
  switch (state_.index) {
    case kId:
    case kArbitration: return static_cast<u32>(state_.id) << 24;
    case kVersion: return kVersionValue;
    default: break;
  }
  const unsigned n = state_.index - kRedirectionTable;
  if (state_.index < kRedirectionTable || n >= 2 * IoapicState::kPins) return 0;
  return static_cast<u32>(state_.redirection[n / 2] >> (n & 1 ? 32 : 0));
}

void Ioapic::write_reg(u32 value) {
  if (state_.index == kId) {
    state_.id = value >> 24 & 0xf;
    return;
  }
  const unsigned n = state_.index - kRedirectionTable;
  if (state_.index < kRedirectionTable || n >= 2 * IoapicState::kPins) return;
  u64& r = state_.redirection[n / 2];
  const u64 written =
      n & 1 ? (r & 0xffffffff) | static_cast<u64>(value) << 32 : (r & ~u64{0xffffffff}) | value;
  r = (written & kWritable) | (r & kRemoteIrr);
  if (!is_level(r)) r &= ~kRemoteIrr;
  if (is_level(r)) service(n / 2);
}

void Ioapic::io(bus::IoAccess& access) {
  const u32 value = static_cast<u32>(access.value);
  if (access.dir == bus::IoDir::Write && access.offset == kEoi)
    return end_of_interrupt(static_cast<u8>(value));
  std::lock_guard lock(mutex_);
  if (access.dir == bus::IoDir::Read) {
    if (access.offset == kRegSelect) access.value = state_.index;
    if (access.offset == kWindow) access.value = read_reg();
    return;
  }
  if (access.offset == kRegSelect) state_.index = static_cast<u8>(value);
  if (access.offset == kWindow) write_reg(value);
}

IoapicState Ioapic::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

void Ioapic::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  snapshot::save_section(writer, name(), 1, state_);
}

Result<void> Ioapic::load(snapshot::StateReader& reader) {
  std::lock_guard lock(mutex_);
  return snapshot::load_section(reader, name(), 1, state_);
}

}  // namespace tandem::devices
