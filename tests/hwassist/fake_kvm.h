// A KVM that runs a script instead of a guest.
#pragma once

#include <cerrno>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "hwassist/kvm/abi.h"
#include "hwassist/kvm/host.h"

namespace tandem::tests {

class FakeKvm final : public hwassist::kvm::Host {
 public:
  static constexpr int kSystem = 100, kVm = 101, kVcpu = 102;

  // One KVM_RUN: fills in the page, may change registers, gives the result. Whenever immediate_exit is set, a
  // run is interrupted.
  using Step = std::function<int(kvm_run&, kvm_regs&)>;
  std::deque<Step> script;
  Step without_script = [](kvm_run& run, kvm_regs&) {
    run.exit_reason = KVM_EXIT_HLT;
    return 0;
  };
  int open_result = kSystem;
  std::set<int> lacking;                 // capabilities
  std::map<unsigned long, int> refused;  // requests, and with what
  std::vector<kvm_userspace_memory_region> slots;
  std::vector<u32> interrupts;  // injected
  std::vector<kvm_ioeventfd> doorbells;
  std::map<u32, u64> logged;  // by slot: the first 64 pages that were written
  std::vector<kvm_enable_cap> enabled;
  std::vector<u32> filtered;  // MSRs whose accesses come to us
  u64 filter_default = ~u64{0};
  std::vector<u64> tsc_offsets;  // as they were set
  kvm_guest_debug guest_debug{};
  kvm_debugregs debugregs{};
  unsigned runs = 0, vms = 0;
  std::function<void()> on_call = [] {};  // before each request is served
  kvm_regs regs{};
  kvm_sregs sregs{};

  int open() override { return open_result; }
  int call(int, unsigned long request, u64 argument) override {
    on_call();
    if (const auto r = refused.find(request); r != refused.end()) return r->second;
    switch (request) {
      case KVM_GET_API_VERSION: return 12;
      case KVM_CHECK_EXTENSION: return !lacking.contains(static_cast<int>(argument));
      case KVM_CREATE_VM: return ++vms, kVm;
      case KVM_CREATE_VCPU: return kVcpu;
      case KVM_GET_VCPU_MMAP_SIZE: return sizeof(kvm_run);
      case KVM_RUN: return run();
      default: return -EINVAL;
    }
  }
  int call(int, unsigned long request, void* argument) override {
    using namespace hwassist::kvm;
    on_call();
    if (const auto r = refused.find(request); r != refused.end()) return r->second;
    switch (request) {
      case KVM_SET_REGS: regs = *static_cast<kvm_regs*>(argument); return 0;
      case KVM_GET_REGS: *static_cast<kvm_regs*>(argument) = regs; return 0;
      case KVM_SET_SREGS: sregs = *static_cast<kvm_sregs*>(argument); return 0;
      case KVM_GET_SREGS: *static_cast<kvm_sregs*>(argument) = sregs; return 0;
      case KVM_SET_USER_MEMORY_REGION:
        slots.push_back(*static_cast<kvm_userspace_memory_region*>(argument));
        return 0;
      case KVM_GET_DIRTY_LOG: {
        const auto& log = *static_cast<kvm_dirty_log*>(argument);
        *static_cast<u64*>(log.dirty_bitmap) = std::exchange(logged[log.slot], 0);
        return 0;
      }
      case KVM_ENABLE_CAP: enabled.push_back(*static_cast<kvm_enable_cap*>(argument)); return 0;
      case KVM_X86_SET_MSR_FILTER: return set_filter(*static_cast<kvm_msr_filter*>(argument));
      case KVM_SET_DEVICE_ATTR: return set_attribute(*static_cast<kvm_device_attr*>(argument));
      case KVM_SET_GUEST_DEBUG: guest_debug = *static_cast<kvm_guest_debug*>(argument); return 0;
      case KVM_SET_DEBUGREGS: debugregs = *static_cast<kvm_debugregs*>(argument); return 0;
      case KVM_GET_DEBUGREGS: *static_cast<kvm_debugregs*>(argument) = debugregs; return 0;
      case KVM_IOEVENTFD: return change_doorbells(*static_cast<kvm_ioeventfd*>(argument));
      case KVM_INTERRUPT: interrupts.push_back(static_cast<kvm_interrupt*>(argument)->irq); return 0;
      case kGetMsrs:
      case kSetMsrs: return static_cast<int>(static_cast<MsrList*>(argument)->count);
      default: return 0;
    }
  }
  void* map(int, u64) override { return &shared_; }
  void unmap(void*, u64) override {}
  void close(int) override {}

  kvm_run& page() { return shared_.run; }

 private:
  int change_doorbells(const kvm_ioeventfd& request) {
    const auto same = [&](const kvm_ioeventfd& d) {
      return d.addr == request.addr && d.len == request.len && d.fd == request.fd &&
             d.datamatch == request.datamatch;
    };
    if (request.flags & KVM_IOEVENTFD_FLAG_DEASSIGN) return std::erase_if(doorbells, same) ? 0 : -ENOENT;
    doorbells.push_back(request);
    return 0;
  }
  // A bit that is clear denies the access, which then ends KVM_RUN (api.rst, KVM_X86_SET_MSR_FILTER).
  int set_filter(const kvm_msr_filter& filter) {
    filter_default = filter.flags;
    filtered.clear();
    for (const kvm_msr_filter_range& range : filter.ranges)
      for (u32 i = 0; i < range.nmsrs; ++i)
        if (!(range.bitmap[i / 8] >> i % 8 & 1)) filtered.push_back(range.base + i);
    return 0;
  }
  int set_attribute(const kvm_device_attr& attribute) {
    if (attribute.group != KVM_VCPU_TSC_CTRL || attribute.attr != KVM_VCPU_TSC_OFFSET) return -ENXIO;
    // SAFETY: the caller gives the address of a u64 (Documentation/virt/kvm/devices/vcpu.rst, 4.1).
    tsc_offsets.push_back(*reinterpret_cast<const u64*>(attribute.addr));
    return 0;
  }
  int run() {
    kvm_run& page = shared_.run;
    ++runs;
    if (page.immediate_exit) return -EINTR;
    if (script.empty()) return without_script(page, regs);
    const Step step = script.front();
    script.pop_front();
    return step(page, regs);
  }

  struct {
    kvm_run run{};
    u8 data[4096] = {};  // of port I/O
  } shared_;
};

}  // namespace tandem::tests
