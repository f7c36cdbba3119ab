// CpuState into a KvmVcpu and out of it. The order is that in which KVM wants it: some of these calls change
// what others have set.
#include <array>
#include <utility>

#include "hwassist/kvm/kvm_vcpu.h"

namespace tandem::hwassist::kvm {

using namespace cpu;

namespace {

// Where SYSCALL leads in the User scope: nowhere. Canonical, and no address that anything is mapped at.
constexpr u64 kSyscallMarker = 0xffff8000deadb000;
constexpr unsigned kSyscallBytes = 2;
// What code at CPL 3 notices of CR4. Without IDT and GDT no event can be taken, and none is.
constexpr u64 kUserCr4 = kCr4Pae | kCr4Pge | kCr4Osfxsr | kCr4Osxmmexcpt | kCr4Fsgsbase | kCr4Osxsave |
                         kCr4Smep | kCr4Smap | kCr4Umip | kCr4La57;
// Flags that code at CPL 3 can change (SDM vol. 1, 3.4.3).
constexpr u64 kUserFlags = kArithmeticFlags | kTf | kDf | kNt | kAc | kId;
constexpr u32 kStar = 0xc0000081, kLstar = 0xc0000082, kSfmask = 0xc0000084;

}  // namespace

bool KvmVcpu::import_state(const CpuState& state, ExitSink& sink, Scope scope) {
  scope_ = scope;
  unsettled_ = served_ = false;
  return scope == Scope::Whole ? import_whole(state, sink) : import_user(state, sink);
}

bool KvmVcpu::set_msrs(const MsrList& list) {
  return fd_.call(kSetMsrs, &list) == static_cast<int>(list.count);
}

// Those that this KVM has.
MsrList KvmVcpu::known(const MsrList& wanted) const {
  MsrList list;
  for (u32 i = 0; i < wanted.count; ++i)
    if (!unknown_msrs_.contains(wanted.entries[i].index)) list.entries[list.count++] = wanted.entries[i];
  return list;
}

void KvmVcpu::find_unknown_msrs() {
  const MsrList all = to_msrs({});
  for (u32 i = 0; i < all.count; ++i) {
    MsrList one;
    one.entries[one.count++] = all.entries[i];
    if (fd_.call(kGetMsrs, &one) != 1) unknown_msrs_.insert(all.entries[i].index);
  }
}

bool KvmVcpu::set_tsc_offset(const CpuState& state, ExitSink& sink) {
  const auto host = sink.host_tsc_offset();
  if (!host) return false;
  u64 offset = *host + state.tsc_offset;
  if (offset == 0 && !vm_.shifts_tsc()) return true;
  if (!vm_.shifts_tsc()) return false;
  if (offset == tsc_offset_) return true;
  kvm_device_attr attribute{};
  attribute.group = KVM_VCPU_TSC_CTRL;
  attribute.attr = KVM_VCPU_TSC_OFFSET;
  attribute.addr = reinterpret_cast<u64>(&offset);
  if (fd_.call(KVM_SET_DEVICE_ATTR, &attribute) < 0) return false;
  tsc_offset_ = offset;
  return true;
}

// SAFETY: KVM_GET_XSAVE writes, and KVM_SET_XSAVE reads, the 4096 bytes of kvm_xsave.
bool KvmVcpu::set_vectors(const CpuState& state) {
  alignas(64) std::array<u8, kXsaveBytes> area;
  to_xsave(layout_, state.vector, area);
  kvm_xcrs xcrs{};
  xcrs.nr_xcrs = 1;
  xcrs.xcrs[0].value = state.xcr0;
  return fd_.call(kSetXsave, area.data()) >= 0 && fd_.call(KVM_SET_XCRS, &xcrs) >= 0;
}

bool KvmVcpu::get_vectors(CpuState& state) {
  alignas(64) std::array<u8, kXsaveBytes> area;
  if (fd_.call(kGetXsave, area.data()) < 0) return false;
  from_xsave(layout_, area, state.vector);
  return true;
}

bool KvmVcpu::import_whole(const CpuState& state, ExitSink& sink) {
  if (state.events.in_smm || state.activity == Activity::WaitForSipi || state.activity == Activity::Shutdown)
    return false;
  const kvm_regs regs = to_regs(state);
  const kvm_sregs sregs = to_sregs(state, sink.read_cr8(id_));
  const kvm_debugregs debug = to_debugregs(state);
  const kvm_vcpu_events events = to_events(state);
  if (fd_.call(KVM_SET_REGS, &regs) < 0 || fd_.call(KVM_SET_SREGS, &sregs) < 0 || !set_vectors(state) ||
      fd_.call(KVM_SET_DEBUGREGS, &debug) < 0 || !set_msrs(known(to_msrs(state))) ||
      !set_tsc_offset(state, sink) || fd_.call(KVM_SET_VCPU_EVENTS, &events) < 0)
    return false;
  user_msrs_ = false;
  halted_ = state.activity == Activity::Halted;
  settle(nullptr);
  return true;
}

bool KvmVcpu::import_user(const CpuState& state, ExitSink& sink) {
  if (!set_tsc_offset(state, sink)) return false;
  const kvm_regs regs = to_regs(state);
  kvm_sregs sregs = to_sregs(state, 0);
  sregs.idt = {};
  sregs.gdt = {};
  sregs.cr3 = state.cr3 & ~u64{0xfff};
  sregs.cr4 = state.cr4 & kUserCr4;
  if (fd_.call(KVM_SET_REGS, &regs) < 0 || fd_.call(KVM_SET_SREGS, &sregs) < 0 || !set_vectors(state))
    return false;
  if (!user_msrs_) {
    MsrList list;
    for (const auto& [index, value] : {std::pair{kStar, u64{0}}, {kLstar, kSyscallMarker}, {kSfmask, u64{0}}})
      list.entries[list.count++] = {index, 0, value};
    if (!set_msrs(list)) return false;
    user_msrs_ = true;
  }
  halted_ = false;
  return true;
}

bool KvmVcpu::export_state(CpuState& state) {
  kvm_regs regs{};
  kvm_sregs sregs{};
  if (fd_.call(KVM_GET_REGS, &regs) < 0 || fd_.call(KVM_GET_SREGS, &sregs) < 0 || !get_vectors(state))
    return false;
  if (scope_ == Scope::User) {
    export_user(regs, sregs, state);
  } else {
    kvm_xcrs xcrs{};
    kvm_debugregs debug{};
    kvm_vcpu_events events{};
    MsrList msrs = known(to_msrs(state));
    if (fd_.call(KVM_GET_XCRS, &xcrs) < 0 || fd_.call(KVM_GET_DEBUGREGS, &debug) < 0) return false;
    if (fd_.call(kGetMsrs, &msrs) != static_cast<int>(msrs.count)) return false;
    if (fd_.call(KVM_GET_VCPU_EVENTS, &events) < 0) return false;
    from_regs(regs, state);
    from_sregs(sregs, state);
    from_debugregs(debug, state);
    from_msrs(msrs, state);
    from_events(events, state);
    if (xcrs.nr_xcrs) state.xcr0 = xcrs.xcrs[0].value;
    state.activity = halted_ ? Activity::Halted : Activity::Running;
  }
  if (unsettled_) settle(nullptr);
  return true;
}

// Has user code stepped itself, by a TF that it set? Its trap is due behind the instruction where KVM has
// ended: at a device, or as a triple fault, since there is no IDT for it, which DR6 tells from others.
bool KvmVcpu::take_step_trap(const kvm_regs& regs) {
  if (served_) return regs.rflags & kTf;
  if (steps_ || run_->exit_reason != KVM_EXIT_SHUTDOWN) return false;
  kvm_debugregs debug{};
  if (fd_.call(KVM_GET_DEBUGREGS, &debug) < 0 || !(debug.dr6 & kDr6Bs)) return false;
  debug.dr6 &= ~kDr6Bs;
  fd_.call(KVM_SET_DEBUGREGS, &debug);
  return true;
}

void KvmVcpu::export_user(const kvm_regs& regs, const kvm_sregs& sregs, CpuState& state) {
  const u64 other_flags = state.rflags & ~kUserFlags;
  from_regs(regs, state);
  if (regs.rip == kSyscallMarker) {
    // SYSCALL has begun: RCX and R11 hold what it is to be done with again, and will be overwritten anyway.
    state.rip = regs.rcx - kSyscallBytes;
    state.rflags = regs.r11;
  }
  state.rflags = (state.rflags & kUserFlags) | other_flags;
  if (take_step_trap(regs)) state.events.debug_traps |= kDr6Bs;
  // WRFSBASE and WRGSBASE.
  state.segments[kFs].base = sregs.fs.base;
  state.segments[kGs].base = sregs.gs.base;
}

}  // namespace tandem::hwassist::kvm
