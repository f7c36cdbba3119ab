// Reads and writes of local APIC registers: by page, by MSR.
#include "core/base/bits.h"
#include "core/irq/lapic.h"
#include "core/irq/lapic_regs.h"

namespace tandem::irq {

namespace {

// Table 11-6: the bits that a WRMSR may set in x2APIC mode, 0 = read-only or no such register.
u64 x2apic_writable(u32 reg) {
  switch (reg) {
    case kRegTpr:
    case kRegSelfIpi: return 0xff;
    case kRegSvr: return 0x3ff;
    case kRegIcrLow: return 0xffffffff000cdfff;
    case kRegLvtTimer: return 0x710ff;
    case kRegLvtThermal:
    case kRegLvtPmc: return 0x117ff;
    case kRegLvtLint0:
    case kRegLvtLint1: return 0x1f7ff;
    case kRegLvtError: return 0x110ff;
    case kRegInitialCount: return 0xffffffff;
    case kRegDivide: return 0xb;
    default: return 0;
  }
}

}  // namespace

// Nothing where there is no such register.
std::optional<u32> Lapic::read_reg(u32 reg) {
  if (reg >= kRegIsr && reg < kRegTmr) return s_.isr[reg - kRegIsr];
  if (reg >= kRegTmr && reg < kRegIrr) return s_.tmr[reg - kRegTmr];
  if (reg >= kRegIrr && reg < kRegEsr) return s_.irr[reg - kRegIrr];
  switch (reg) {
    case kRegId: return x2apic() ? s_.id : s_.id << 24;
    case kRegVersion: return kLapicVersion;
    case kRegTpr: return s_.tpr;
    case kRegApr:
    case kRegPpr: return ppr();
    case kRegEoi: return 0;
    case kRegLdr: return x2apic() ? s_.id >> 4 << 16 | 1u << (s_.id & 15) : s_.ldr;
    case kRegDfr: return s_.dfr;
    case kRegSvr: return s_.svr;
    case kRegEsr: return s_.esr;
    case kRegIcrLow: return static_cast<u32>(s_.icr);
    case kRegIcrHigh: return static_cast<u32>(s_.icr >> 32);
    case kRegLvtTimer: return s_.lvt_timer;
    case kRegLvtThermal: return s_.lvt_thermal;
    case kRegLvtPmc: return s_.lvt_pmc;
    case kRegLvtLint0: return s_.lvt_lint0;
    case kRegLvtLint1: return s_.lvt_lint1;
    case kRegLvtError: return s_.lvt_error;
    case kRegInitialCount: return s_.timer_initial;
    case kRegCurrentCount: return timer_current();
    case kRegDivide: return s_.timer_divide;
    default: return std::nullopt;
  }
}

void Lapic::write_lvt(u32& lvt, u32 value, u32 writable) {
  lvt = value & writable;
  if (!software_enabled()) lvt |= kLvtMasked;
}

// EOI and ICR writes are handled by the callers, with the lock dropped where they reach others.
bool Lapic::write_reg(u32 reg, u32 value) {
  switch (reg) {
    case kRegId: s_.id = value >> 24; return true;
    case kRegTpr: s_.tpr = value & 0xff; break;
    case kRegLdr: s_.ldr = value & 0xff000000; return true;
    case kRegDfr: s_.dfr = value | 0x0fffffff; return true;
    case kRegSvr:
      s_.svr = value & 0x1ff;
      if (!software_enabled())
        for (u32* lvt :
             {&s_.lvt_timer, &s_.lvt_thermal, &s_.lvt_pmc, &s_.lvt_lint0, &s_.lvt_lint1, &s_.lvt_error})
          *lvt |= kLvtMasked;
      arm_timer();
      break;
    case kRegEsr:
      s_.esr = s_.esr_pending;
      s_.esr_pending = 0;
      return true;
    case kRegIcrHigh: s_.icr = (s_.icr & 0xffffffff) | static_cast<u64>(value) << 32; return true;
    case kRegLvtTimer:
      if (((value ^ s_.lvt_timer) >> 17 & 3) != 0) {  // SDM 11.5.4.1: another mode disarms
        s_.tsc_deadline = 0;
        if (((value >> 17) & 2) || (s_.lvt_timer >> 17 & 2)) s_.timer_initial = 0;
      }
      // What a masked timer would have raised is lost.
      if (s_.lvt_timer & kLvtMasked) skip_missed();
      write_lvt(s_.lvt_timer, value, 0x700ff);
      arm_timer();
      return true;
    case kRegLvtThermal: write_lvt(s_.lvt_thermal, value, 0x107ff); return true;
    case kRegLvtPmc: write_lvt(s_.lvt_pmc, value, 0x107ff); return true;
    case kRegLvtLint0: write_lvt(s_.lvt_lint0, value, 0x1a7ff); break;
    case kRegLvtLint1: write_lvt(s_.lvt_lint1, value, 0x1a7ff); return true;
    case kRegLvtError: write_lvt(s_.lvt_error, value, 0x100ff); return true;
    case kRegInitialCount:
      if (timer_mode() & kTimerTscDeadline) return true;
      s_.timer_initial = value;
      s_.timer_started = raw(clock_.now());
      arm_timer();
      return true;
    case kRegDivide: set_divide(value & 0xb); return true;
    default: return false;
  }
  update();
  return true;
}

// False: the vector is illegal, and nothing is sent (SDM 11.5.3).
bool Lapic::write_icr(u64 icr) {
  s_.icr = icr & ~u64{0x1000};
  const auto mode = static_cast<Delivery>(bits(icr, 10, 8));
  const bool has_vector = mode == Delivery::Fixed || mode == Delivery::LowestPriority;
  if (!has_vector || (icr & 0xff) >= 16) return true;
  raise_error(kEsrSendIllegalVector);
  return false;
}

void Lapic::send_ipi(u64 icr) {
  const u32 destination = static_cast<u32>(icr >> 32);
  bus_.deliver_ipi(*this, icr, x2apic() ? destination : destination >> 24);
}

void Lapic::io(bus::IoAccess& access) {
  const u32 offset = access.address & 0xfff;
  const u32 reg = offset >> 4;
  if (access.dir == bus::IoDir::Read) {
    std::lock_guard lock(mutex_);
    if ((offset & 0xf) + access.size > 4) return;
    const std::optional<u32> value = read_reg(reg);
    if (!value) return raise_error(kEsrIllegalRegister);
    access.value = (*value >> (8 * (offset & 3))) & low_mask(access.size * 8u);
    return;
  }
  if (access.size < 4 || (offset & 0xf)) return;
  const u32 value = static_cast<u32>(access.value);
  std::optional<u8> broadcast;
  bool send = false;
  {
    std::lock_guard lock(mutex_);
    if (reg == kRegEoi) eoi(broadcast);
    else if (reg == kRegIcrLow) send = write_icr((s_.icr & ~u64{0xffffffff}) | value);
    else if (!write_reg(reg, value)) raise_error(kEsrIllegalRegister);
  }
  if (broadcast) bus_.broadcast_eoi(*broadcast);
  if (send) send_ipi(s_.icr);
}

bool Lapic::write_base(u64 value) {
  std::lock_guard lock(mutex_);
  constexpr u64 kWritable = 0x000ffffffffff000 | kBaseX2apic | kBaseEnable | kBaseBsp;
  const u64 old = apic_base();
  const u64 mode = value & (kBaseX2apic | kBaseEnable), old_mode = old & (kBaseX2apic | kBaseEnable);
  if (value & ~kWritable) return false;
  if (mode == kBaseX2apic) return false;
  // SDM 11.12.5: out of x2APIC mode only by disabling, into it only from xAPIC mode.
  if (old_mode == (kBaseX2apic | kBaseEnable) && mode == kBaseEnable) return false;
  if (old_mode == 0 && mode == (kBaseX2apic | kBaseEnable)) return false;
  apic_base_ = value;
  if (mode == 0 && old_mode != 0) reset_registers();
  if (mode != 0 && old_mode == 0) s_.id = raw(id_);
  update();
  return true;
}

bool Lapic::msr(cpu::MsrAccess& access) {
  const bool read = access.dir == bus::IoDir::Read;
  if (access.index == kMsrApicBase) {
    if (!read) return write_base(access.value);
    access.value = apic_base();
    return true;
  }
  if (access.index == kMsrTscDeadline) {
    std::lock_guard lock(mutex_);
    const bool active = timer_mode() == kTimerTscDeadline;
    if (read) access.value = active ? s_.tsc_deadline : 0;
    else if (active) {
      s_.tsc_deadline = access.value;
      arm_timer();
    }
    return true;
  }
  if (access.index < kMsrX2apicFirst || access.index > kMsrX2apicLast || !x2apic()) return false;
  const u32 reg = access.index - kMsrX2apicFirst;
  return read ? read_x2apic(reg, access.value) : write_x2apic(reg, access.value);
}

bool Lapic::read_x2apic(u32 reg, u64& value) {
  if (reg == kRegApr || reg == kRegEoi || reg == kRegDfr || reg == kRegIcrHigh) return false;
  std::lock_guard lock(mutex_);
  const std::optional<u32> low = read_reg(reg);
  if (!low) return false;
  value = reg == kRegIcrLow ? s_.icr : *low;
  return true;
}

bool Lapic::write_x2apic(u32 reg, u64 value) {
  const bool zero_only = reg == kRegEoi || reg == kRegEsr;
  if ((value & ~x2apic_writable(reg)) || (!zero_only && !x2apic_writable(reg))) return false;
  std::optional<u8> broadcast;
  bool send = false;
  {
    std::lock_guard lock(mutex_);
    switch (reg) {
      case kRegEoi: eoi(broadcast); break;
      case kRegIcrLow: send = write_icr(value); break;
      case kRegSelfIpi:
        if (value < 16) raise_error(kEsrSendIllegalVector);
        else set_irr(static_cast<u8>(value), false);
        break;
      default: write_reg(reg, static_cast<u32>(value)); break;
    }
  }
  if (broadcast) bus_.broadcast_eoi(*broadcast);
  if (send) send_ipi(s_.icr);
  return true;
}

}  // namespace tandem::irq
