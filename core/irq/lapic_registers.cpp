// Reads and writes of local APIC registers: by page, by MSR.
#include "core/base/bits.h"
#include "core/irq/lapic.h"
#include "core/irq/lapic_regs.h"

namespace tandem::irq {

u32 Lapic::read_reg(u32 reg) {
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
    default: raise_error(kEsrIllegalRegister); return 0;
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
    case kRegDivide: {
      s_.timer_divide = value & 0xb;
      arm_timer();
      return true;
    }
    default: raise_error(kEsrIllegalRegister); return false;
  }
  update();
  return true;
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
    const bool in_register = (offset & 0xf) + access.size <= 4;
    access.value = in_register ? (read_reg(reg) >> (8 * (offset & 3))) & low_mask(access.size * 8u) : 0;
    return;
  }
  if (access.size < 4 || (offset & 0xf)) return;
  const u32 value = static_cast<u32>(access.value);
  std::optional<u8> broadcast;
  {
    std::lock_guard lock(mutex_);
    if (reg == kRegEoi) eoi(broadcast);
    else if (reg == kRegIcrLow) s_.icr = (s_.icr & ~u64{0xffffffff}) | (value & ~0x1000u);
    else write_reg(reg, value);
  }
  if (broadcast) bus_.broadcast_eoi(*broadcast);
  if (reg == kRegIcrLow) send_ipi(s_.icr);
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
  if (reg == kRegIcrHigh || reg == kRegDfr) return false;
  std::optional<u8> broadcast;
  {
    std::lock_guard lock(mutex_);
    const u32 errors = s_.esr_pending;
    if (read) {
      if (reg == kRegSelfIpi || reg == kRegEoi) return false;
      access.value = reg == kRegIcrLow ? s_.icr : read_reg(reg);
      const bool known = s_.esr_pending == errors;
      return known;
    }
    if (reg == kRegId || reg == kRegLdr) return false;
    if (reg == kRegIcrLow) {
      s_.icr = access.value & ~u64{0x1000};
    } else {
      if (access.value >> 32) return false;
      if (reg == kRegEoi || reg == kRegEsr) {
        if (access.value) return false;
        if (reg == kRegEoi) eoi(broadcast);
        else write_reg(reg, 0);
      } else if (reg == kRegSelfIpi) {
        set_irr(static_cast<u8>(access.value), false);
      } else {
        return write_reg(reg, static_cast<u32>(access.value));
      }
    }
  }
  if (broadcast) bus_.broadcast_eoi(*broadcast);
  if (reg == kRegIcrLow) send_ipi(s_.icr);
  return true;
}

}  // namespace tandem::irq
