// May an instruction of the x87, MMX, SSE or AVX sets run now?
#pragma once

#include "core/cpu/cpu.h"
#include "core/semantics/host/host_insn.h"

namespace tandem::semantics {

// False: #UD, #NM or #GP is set (SDM vol. 3, 2.5, 12.1, 13.1; vol. 1, 14.3).
[[nodiscard]] inline bool unit_available(cpu::Cpu& cpu, Unit unit) {
  using namespace cpu;
  const CpuState& s = cpu.state;
  const bool ts = s.cr0 & kCr0Ts, em = s.cr0 & kCr0Em;
  bool exists = true;
  bool device = !ts;
  switch (unit) {
    case Unit::X87: device = !ts && !em; break;
    case Unit::Mmx: exists = !em; break;
    case Unit::Sse: exists = !em && (s.cr4 & kCr4Osfxsr); break;
    case Unit::Avx:
    case Unit::Avx512: {
      const u64 needed = kXfeatureSse | kXfeatureAvx | (unit == Unit::Avx512 ? kXfeatureAvx512 : 0);
      exists = cpu.mode.protected_mode && (s.cr4 & kCr4Osxsave) && (s.xcr0 & needed) == needed;
    }
  }
  if (exists && device) [[likely]]
    return true;
  cpu.fault = fault(exists ? kDeviceNotAvailable : kInvalidOpcode);
  return false;
}

inline constexpr u16 kFswExceptions = 0x3f, kFswEs = 0x80, kFswBusy = 0x8000;

// Waiting instructions raise what earlier ones left pending (SDM vol. 1, 8.7).
[[nodiscard]] inline bool no_pending_x87_exception(cpu::Cpu& cpu) {
  if (!(cpu.state.vector.x87.fsw & kFswEs)) [[likely]]
    return true;
  cpu.fault = cpu::fault(cpu::kMathFault);
  return false;
}

// ES and B follow the exceptions that are set and not masked.
inline void update_exception_summary(cpu::X87State& x) {
  const bool pending = x.fsw & ~x.fcw & kFswExceptions;
  x.fsw = static_cast<u16>((x.fsw & ~(kFswEs | kFswBusy)) | (pending ? kFswEs | kFswBusy : 0));
  if (!pending) x.fip = x.fdp = x.fop = 0;
}

}  // namespace tandem::semantics
