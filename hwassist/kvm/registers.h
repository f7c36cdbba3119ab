// CpuState in the form of KVM's structures, and back. Pure functions.
#pragma once

#include <span>

#include "core/cpu/cpu_state.h"
#include "hwassist/kvm/abi.h"

namespace tandem::hwassist::kvm {

kvm_regs to_regs(const cpu::CpuState& state);
void from_regs(const kvm_regs& regs, cpu::CpuState& state);

// cr8: the task priority class, which the local APIC keeps.
kvm_sregs to_sregs(const cpu::CpuState& state, u8 cr8);
void from_sregs(const kvm_sregs& sregs, cpu::CpuState& state);

inline constexpr u64 kDr6Bs = u64{1} << 14;  // a single step's trap

kvm_debugregs to_debugregs(const cpu::CpuState& state);
void from_debugregs(const kvm_debugregs& regs, cpu::CpuState& state);

kvm_vcpu_events to_events(const cpu::CpuState& state);
void from_events(const kvm_vcpu_events& events, cpu::CpuState& state);

// The MSRs that KVM keeps for the guest. TSC and APIC base are not among them: see KvmVcpu. Back: those that
// the list has.
MsrList to_msrs(const cpu::CpuState& state);
void from_msrs(const MsrList& list, cpu::CpuState& state);

// Where XSAVE's components lie in the standard format (SDM vol. 1, 13.4.2).
struct XsaveLayout {
  u64 components = 3;                                    // that KVM takes, as in XCR0
  u32 avx = 0, opmask = 0, zmm_hi256 = 0, hi16_zmm = 0;  // offsets
};
XsaveLayout host_xsave_layout(u64 components);

inline constexpr unsigned kXsaveBytes = 4096;
void to_xsave(const XsaveLayout& layout, const cpu::VectorState& state, std::span<u8, kXsaveBytes> area);
void from_xsave(const XsaveLayout& layout, std::span<const u8, kXsaveBytes> area, cpu::VectorState& state);

}  // namespace tandem::hwassist::kvm
