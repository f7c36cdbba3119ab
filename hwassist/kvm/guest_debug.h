// A debugger's breakpoints as the CPU's debug registers (SDM vol. 3, 17.2; api.rst, KVM_SET_GUEST_DEBUG).
// Pure functions.
#pragma once

#include <optional>

#include "core/cpu/debug_points.h"
#include "hwassist/kvm/abi.h"

namespace tandem::hwassist::kvm {

// Nothing: there are too many, or watchpoints, of which the registers would miss accesses that KVM emulates,
// as those to devices.
std::optional<kvm_guest_debug> to_guest_debug(const cpu::DebugPoints& points);

// The breakpoint that a KVM_EXIT_DEBUG is of; nothing: none, it is a trap of the guest's own.
std::optional<cpu::DebugHit> debug_hit(const kvm_debug_exit_arch& exit, const kvm_guest_debug& points);

}  // namespace tandem::hwassist::kvm
