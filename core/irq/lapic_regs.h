// Local APIC registers, by their offset / 16 (SDM vol. 3, table 11-1).
#pragma once

#include "core/base/types.h"

namespace tandem::irq {

inline constexpr u32 kRegId = 0x02, kRegVersion = 0x03, kRegTpr = 0x08, kRegApr = 0x09, kRegPpr = 0x0a,
                     kRegEoi = 0x0b, kRegLdr = 0x0d, kRegDfr = 0x0e, kRegSvr = 0x0f, kRegIsr = 0x10,
                     kRegTmr = 0x18, kRegIrr = 0x20, kRegEsr = 0x28, kRegIcrLow = 0x30, kRegIcrHigh = 0x31,
                     kRegLvtTimer = 0x32, kRegLvtThermal = 0x33, kRegLvtPmc = 0x34, kRegLvtLint0 = 0x35,
                     kRegLvtLint1 = 0x36, kRegLvtError = 0x37, kRegInitialCount = 0x38,
                     kRegCurrentCount = 0x39, kRegDivide = 0x3e, kRegSelfIpi = 0x3f;

inline constexpr u32 kLapicVersion = 0x00050014;  // integrated APIC with six LVT entries
inline constexpr u32 kLvtMasked = 1u << 16;
inline constexpr u32 kTimerPeriodic = 1, kTimerTscDeadline = 2;
inline constexpr u32 kEsrSendIllegalVector = 1u << 5, kEsrReceiveIllegalVector = 1u << 6,
                     kEsrIllegalRegister = 1u << 7;

// IA32_APIC_BASE (SDM vol. 3, 11.4.4).
inline constexpr u64 kDefaultBase = 0xfee00000, kBaseBsp = 1u << 8, kBaseX2apic = 1u << 10,
                     kBaseEnable = 1u << 11;
inline constexpr u32 kMsrApicBase = 0x1b, kMsrTscDeadline = 0x6e0, kMsrX2apicFirst = 0x800,
                     kMsrX2apicLast = 0x83f;

// LapicState::timer_started of a one-shot timer that has fired.
inline constexpr i64 kTimerExpired = INT64_MIN;

}  // namespace tandem::irq
