// The local APIC's timer (SDM vol. 3, 11.5.4).
#include <algorithm>

#include "core/irq/lapic.h"
#include "core/irq/lapic_regs.h"

namespace tandem::irq {

namespace {

// Periods shorter than this are served at this rate: a guest may ask for 1 ns.
constexpr i64 kShortestPeriod = 2 * time::kMicrosecond;

}  // namespace

u32 Lapic::timer_divisor() const {
  const u32 code = (s_.timer_divide & 3) | (s_.timer_divide >> 1 & 4);
  return code == 7 ? 1 : 2u << code;
}

u32 Lapic::timer_current() const {
  if (s_.timer_initial == 0 || s_.timer_started == kTimerExpired || (timer_mode() & kTimerTscDeadline))
    return 0;
  const u64 ticks = static_cast<u64>(raw(clock_.now()) - s_.timer_started) / timer_divisor();
  if (timer_mode() == kTimerPeriodic) return s_.timer_initial - static_cast<u32>(ticks % s_.timer_initial);
  return ticks >= s_.timer_initial ? 0 : s_.timer_initial - static_cast<u32>(ticks);
}

// What would have been raised by now no longer is.
void Lapic::skip_missed() {
  if (s_.timer_initial == 0 || s_.timer_started == kTimerExpired || (timer_mode() & kTimerTscDeadline))
    return;
  const i64 period = static_cast<i64>(s_.timer_initial) * timer_divisor();
  const i64 elapsed = raw(clock_.now()) - s_.timer_started;
  if (timer_mode() == kTimerPeriodic) s_.timer_started += elapsed / period * period;
  else if (elapsed >= period) s_.timer_started = kTimerExpired;
}

// The count stays; from here on it goes at the new rate.
void Lapic::set_divide(u32 value) {
  if (s_.lvt_timer & kLvtMasked) skip_missed();
  const u32 counted = s_.timer_initial - timer_current();
  s_.timer_divide = value;
  if (s_.timer_started != kTimerExpired)
    s_.timer_started = raw(clock_.now()) - static_cast<i64>(counted) * timer_divisor();
  arm_timer();
}

void Lapic::arm_timer() {
  const bool masked = s_.lvt_timer & kLvtMasked;
  if (timer_mode() & kTimerTscDeadline) {
    if (s_.tsc_deadline == 0 || timer_mode() != kTimerTscDeadline) return timer_.cancel();
    return timer_.arm(clock_.time_of_tsc(s_.tsc_deadline));
  }
  if (masked || s_.timer_initial == 0 || s_.timer_started == kTimerExpired) return timer_.cancel();
  const i64 period = static_cast<i64>(s_.timer_initial) * timer_divisor();
  if (timer_mode() == kTimerPeriodic) {
    const i64 now = raw(clock_.now());
    // Periods that went by while it was masked are over.
    if (now - s_.timer_started >= 2 * period)
      s_.timer_started += (now - s_.timer_started) / period * period - period;
    return timer_.arm(GuestNs{std::max(s_.timer_started + period, s_.timer_started + kShortestPeriod)});
  }
  timer_.arm(GuestNs{s_.timer_started + period});
}

void Lapic::timer_fired() {
  std::lock_guard lock(mutex_);
  const i64 now = raw(clock_.now());
  if (timer_mode() == kTimerTscDeadline) {
    if (s_.tsc_deadline == 0) return;
    if (clock_.tsc() < s_.tsc_deadline) return arm_timer();
    s_.tsc_deadline = 0;
  } else {
    if (s_.timer_initial == 0 || s_.timer_started == kTimerExpired) return;
    const i64 period = static_cast<i64>(s_.timer_initial) * timer_divisor();
    if (now - s_.timer_started < period) return arm_timer();
    if (timer_mode() == kTimerPeriodic) {
      s_.timer_started += (now - s_.timer_started) / period * period;
      arm_timer();
    } else {
      s_.timer_started = kTimerExpired;
    }
  }
  if (!(s_.lvt_timer & kLvtMasked)) set_irr(static_cast<u8>(s_.lvt_timer), false);
}

}  // namespace tandem::irq
