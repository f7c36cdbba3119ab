#include "core/irq/lapic.h"

#include <bit>

#include "core/base/bits.h"
#include "core/irq/lapic_regs.h"

namespace tandem::irq {

namespace {

int highest(const u32 (&bitmap)[8]) {
  for (int i = 7; i >= 0; --i)
    if (bitmap[i]) return i * 32 + 31 - std::countl_zero(bitmap[i]);
  return -1;
}

void assign(u32 (&bitmap)[8], u8 vector, bool on) {
  const u32 mask = 1u << (vector & 31);
  bitmap[vector >> 5] = on ? bitmap[vector >> 5] | mask : bitmap[vector >> 5] & ~mask;
}

}  // namespace

Lapic::Lapic(VcpuId id, time::Clock& clock, ApicBus& bus, CpuSignals& signals)
    : id_(id), clock_(clock), bus_(bus), signals_(signals), timer_(clock, [this](GuestNs) {
        timer_fired();
      }) {
  reset(raw(id) == 0);
}

void Lapic::reset(bool bsp) {
  std::lock_guard lock(mutex_);
  bsp_ = bsp;
  apic_base_ = kDefaultBase | kBaseEnable | (bsp ? kBaseBsp : 0);
  reset_registers();
  ready_ = false;
}

void Lapic::reset_registers() {
  s_ = cpu::LapicState{};
  s_.id = raw(id_);
  // Virtual wire mode, as firmware leaves it: the 8259's INTR reaches the first CPU.
  if (bsp_) s_.lvt_lint0 = 0x700;
  extint_latched_ = false;
  timer_.cancel();
}

u32 Lapic::ppr() const {
  const int isr = highest(s_.isr);
  const u32 isr_class = isr < 0 ? 0 : static_cast<u32>(isr) & 0xf0;
  return (s_.tpr & 0xf0) >= isr_class ? s_.tpr : isr_class;
}

void Lapic::update() {
  const bool local = enabled() && software_enabled() && highest(s_.irr) >= 0 &&
                     (static_cast<u32>(highest(s_.irr)) & 0xf0) > (ppr() & 0xf0);
  const bool lint0_open = !enabled() || (s_.lvt_lint0 & (kLvtMasked | 0x700)) == 0x700;
  const bool ready = local || extint_latched_ || (pic_intr_ && lint0_open && bsp_);
  ready_.store(ready, std::memory_order_release);
  if (ready) signals_.signal_vcpu(id_, cpu::Signal::Interrupt, 0);
}

std::optional<u8> Lapic::take_interrupt() {
  {
    std::lock_guard lock(mutex_);
    const int vector = enabled() && software_enabled() ? highest(s_.irr) : -1;
    if (vector >= 0 && (static_cast<u32>(vector) & 0xf0) > (ppr() & 0xf0)) {
      assign(s_.irr, static_cast<u8>(vector), false);
      assign(s_.isr, static_cast<u8>(vector), true);
      update();
      return static_cast<u8>(vector);
    }
    if (!ready_.load(std::memory_order_relaxed) || !bus_.pic()) {
      update();
      return std::nullopt;
    }
    extint_latched_ = false;
  }
  // The 8259 pair gives the vector; it calls set_pic_intr from there, so our lock is free.
  const u8 vector = bus_.pic()->acknowledge();
  std::lock_guard lock(mutex_);
  update();
  return vector;
}

u8 Lapic::read_cr8() {
  std::lock_guard lock(mutex_);
  return static_cast<u8>(s_.tpr >> 4);
}

void Lapic::write_cr8(u8 value) {
  std::lock_guard lock(mutex_);
  s_.tpr = static_cast<u32>(value & 0xf) << 4;
  update();
}

void Lapic::set_pic_intr(bool level) {
  std::lock_guard lock(mutex_);
  const bool rising = level && !pic_intr_;
  pic_intr_ = level;
  if (rising && (s_.lvt_lint0 & 0x700) != 0x700) deliver_lvt(s_.lvt_lint0);
  update();
}

void Lapic::set_lint1(bool level) {
  std::lock_guard lock(mutex_);
  if (level) deliver_lvt(s_.lvt_lint1);
}

void Lapic::deliver_lvt(u32 lvt) {
  if ((lvt & kLvtMasked) || !enabled()) return;
  switch (static_cast<Delivery>(bits(lvt, 10, 8))) {
    case Delivery::Smi: return signals_.signal_vcpu(id_, cpu::Signal::Smi, 0);
    case Delivery::Nmi: return signals_.signal_vcpu(id_, cpu::Signal::Nmi, 0);
    case Delivery::Init: return signals_.signal_vcpu(id_, cpu::Signal::Init, 0);
    case Delivery::ExtInt: extint_latched_ = true; return update();
    default: set_irr(static_cast<u8>(lvt), false);
  }
}

void Lapic::raise_error(u32 error_bit) {
  if (s_.esr_pending & error_bit) return;
  s_.esr_pending |= error_bit;
  if (!(s_.lvt_error & kLvtMasked) && (s_.lvt_error & 0xff) >= 16)
    set_irr(static_cast<u8>(s_.lvt_error), false);
}

EdgeEffect Lapic::set_irr(u8 vector, bool level) {
  if (!software_enabled()) return EdgeEffect::None;
  if (vector < 16) {
    raise_error(kEsrReceiveIllegalVector);
    return EdgeEffect::None;
  }
  const bool waits = s_.irr[vector >> 5] >> (vector & 31) & 1;
  assign(s_.irr, vector, true);
  assign(s_.tmr, vector, level);
  update();
  return waits ? EdgeEffect::Coalesced : EdgeEffect::Requested;
}

void Lapic::eoi(std::optional<u8>& broadcast) {
  const int vector = highest(s_.isr);
  if (vector < 0) return;
  assign(s_.isr, static_cast<u8>(vector), false);
  if (s_.tmr[vector >> 5] >> (vector & 31) & 1) broadcast = static_cast<u8>(vector);
  update();
}

bool Lapic::matches(const ApicMessage& m) const {
  std::lock_guard lock(mutex_);
  if (!enabled()) return false;
  if (m.destination == 0xff || m.destination == 0xffffffff) return true;
  if (!m.logical) return m.destination == s_.id;
  if (x2apic()) {
    const u32 ldr = s_.id >> 4 << 16 | 1u << (s_.id & 15);
    return m.destination >> 16 == ldr >> 16 && (m.destination & ldr & 0xffff);
  }
  const u32 ldr = s_.ldr >> 24;
  if (s_.dfr >> 28 == 0xf) return m.destination & ldr;
  return (m.destination >> 4 & 0xf) == ldr >> 4 && (m.destination & ldr & 0xf);
}

EdgeEffect Lapic::accept(const ApicMessage& m) {
  std::lock_guard lock(mutex_);
  if (!enabled()) return EdgeEffect::None;
  switch (m.delivery) {
    case Delivery::Fixed:
    case Delivery::LowestPriority: return set_irr(m.vector, m.level);
    case Delivery::Smi: signals_.signal_vcpu(id_, cpu::Signal::Smi, 0); break;
    case Delivery::Nmi: signals_.signal_vcpu(id_, cpu::Signal::Nmi, 0); break;
    case Delivery::Init:
      reset_registers();
      ready_ = false;
      signals_.signal_vcpu(id_, cpu::Signal::Init, 0);
      break;
    case Delivery::Startup: signals_.signal_vcpu(id_, cpu::Signal::Startup, m.vector); break;
    case Delivery::ExtInt:
      extint_latched_ = true;
      update();
      break;
  }
  return EdgeEffect::Requested;
}

u32 Lapic::priority() const {
  std::lock_guard lock(mutex_);
  // A disabled one is the last to be chosen.
  return software_enabled() ? ppr() : 0x100;
}

cpu::LapicState Lapic::state() const {
  std::lock_guard lock(mutex_);
  return s_;
}

void Lapic::load_state(const cpu::LapicState& state, u64 apic_base) {
  std::lock_guard lock(mutex_);
  s_ = state;
  apic_base_ = apic_base;
  bsp_ = apic_base & kBaseBsp;
  arm_timer();
  update();
}

}  // namespace tandem::irq
