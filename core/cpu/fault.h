// Guest exceptions as values (SDM vol. 3, chapter 6).
#pragma once

#include "core/base/types.h"

namespace tandem::cpu {

enum Vector : u8 {
  kDivideError = 0,
  kDebug = 1,
  kNmi = 2,
  kBreakpoint = 3,
  kOverflow = 4,
  kBoundRange = 5,
  kInvalidOpcode = 6,
  kDeviceNotAvailable = 7,
  kDoubleFault = 8,
  kInvalidTss = 10,
  kSegmentNotPresent = 11,
  kStackFault = 12,
  kGeneralProtection = 13,
  kPageFault = 14,
  kMathFault = 16,
  kAlignmentCheck = 17,
  kMachineCheck = 18,
  kSimdFault = 19,
};

// Page-fault error code bits (SDM vol. 3, 4.7).
inline constexpr u32 kPfPresent = 1, kPfWrite = 2, kPfUser = 4, kPfReserved = 8, kPfFetch = 16;

struct GuestFault {
  u8 vector = 0;
  bool has_code = false;
  u32 code = 0;
  u64 address = 0;  // #PF: goes to CR2; #DB: DR6 bits
};

constexpr GuestFault fault(Vector v) { return {v, false, 0, 0}; }
constexpr GuestFault fault(Vector v, u32 code) { return {v, true, code, 0}; }
constexpr GuestFault page_fault(u64 address, u32 code) { return {kPageFault, true, code, address}; }

}  // namespace tandem::cpu
