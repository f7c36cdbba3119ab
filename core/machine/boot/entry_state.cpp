#include "core/machine/boot/entry_state.h"

namespace tandem::machine {

using namespace cpu;

namespace {

CpuState flat_state(u64 entry, bool long_mode) {
  CpuState s = reset_state(true, 0);
  s.rip = entry;
  s.rflags = 2;
  for (Segment& segment : s.segments)
    segment = {.selector = kBootDs,
               .type = 3,
               .s = true,
               .present = true,
               .db = true,
               .g = true,
               .limit = 0xffffffff};
  s.segments[kCs] = {.selector = kBootCs,
                     .type = 11,
                     .s = true,
                     .present = true,
                     .l = long_mode,
                     .db = !long_mode,
                     .g = true,
                     .limit = 0xffffffff};
  s.tr = {.selector = 0, .type = 11, .present = true, .limit = 0x67};
  return s;
}

}  // namespace

CpuState protected_mode_state(u64 entry) {
  CpuState s = flat_state(entry, false);
  s.cr0 = kCr0Pe | kCr0Et;
  return s;
}

CpuState long_mode_state(u64 entry, u64 cr3) {
  CpuState s = flat_state(entry, true);
  s.cr0 = kCr0Pe | kCr0Et | kCr0Pg;
  s.cr3 = cr3;
  s.cr4 = kCr4Pae;
  s.efer = kEferLme | kEferLma;
  return s;
}

}  // namespace tandem::machine
