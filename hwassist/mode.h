// The modes between which a KVM may differ: what it runs natively in one, it may emulate or fail in another.
#pragma once

#include <array>
#include <string_view>

#include "core/cpu/cpu_state.h"

namespace tandem::hwassist {

enum class CodeMode : u8 { Real, Protected, Kernel32, User32, Kernel64, User64, Compat, Smm };
inline constexpr unsigned kCodeModes = 8;
inline constexpr std::array<std::string_view, kCodeModes> kCodeModeNames = {
    "real", "protected", "kernel32", "user32", "kernel64", "user64", "compat", "smm"};

inline CodeMode mode_of(const cpu::CpuState& s) {
  using namespace cpu;
  if (s.events.in_smm) return CodeMode::Smm;
  if (!(s.cr0 & kCr0Pe) || (s.rflags & kVm)) return CodeMode::Real;
  if (!(s.cr0 & kCr0Pg)) return CodeMode::Protected;
  const bool user = s.segments[kSs].dpl == 3;
  if (!(s.efer & kEferLma)) return user ? CodeMode::User32 : CodeMode::Kernel32;
  if (!s.segments[kCs].l) return CodeMode::Compat;
  return user ? CodeMode::User64 : CodeMode::Kernel64;
}

// Can KVM run it in the User scope? That keeps up no events of its own, nor other state that shows in user
// code.
inline bool fits_user_scope(const cpu::CpuState& s) {
  using namespace cpu;
  return mode_of(s) == CodeMode::User64 && !(s.rflags & (kTf | kRf | kAc)) && !(s.cr0 & (kCr0Ts | kCr0Em)) &&
         !(s.dr[7] & 0xff) && !(s.cr4 & kCr4Tsd);
}

}  // namespace tandem::hwassist
