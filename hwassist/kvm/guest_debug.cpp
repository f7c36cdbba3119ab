#include "hwassist/kvm/guest_debug.h"

namespace tandem::hwassist::kvm {

using cpu::DebugHit;

namespace {

constexpr unsigned kRegisters = 4;
constexpr u64 kDr7Fixed = 0x400, kDr7Exact = 0x200;
// G of one register; its condition and length, all 0, are those of an instruction.
u64 enabled(unsigned n) { return u64{2} << 2 * n; }

}  // namespace

std::optional<kvm_guest_debug> to_guest_debug(const cpu::DebugPoints& points) {
  if (points.breakpoints.size() > kRegisters || !points.watchpoints.empty()) return {};
  kvm_guest_debug debug{};
  if (points.breakpoints.empty()) return debug;
  debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
  debug.arch.debugreg[7] = kDr7Fixed | kDr7Exact;
  unsigned n = 0;
  for (const u64 address : points.breakpoints) {
    debug.arch.debugreg[n] = address;
    debug.arch.debugreg[7] |= enabled(n++);
  }
  return debug;
}

std::optional<DebugHit> debug_hit(const kvm_debug_exit_arch& exit, const kvm_guest_debug& points) {
  for (unsigned n = 0; n < kRegisters; ++n)
    if ((exit.dr6 >> n & 1) && (points.arch.debugreg[7] & enabled(n)))
      return DebugHit{DebugHit::Kind::Breakpoint, points.arch.debugreg[n]};
  return {};
}

}  // namespace tandem::hwassist::kvm
