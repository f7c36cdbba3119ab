// What <linux/kvm.h> can't give to C++: its structures that end in an array are a byte longer there (an empty
// struct has a size), and with the size the request's number is another. Documentation/virt/kvm/api.rst.
#pragma once

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "core/base/types.h"

namespace tandem::hwassist::kvm {

template <class Entry, unsigned kMax>
struct List {
  u32 count = 0;
  u32 padding = 0;
  Entry entries[kMax] = {};
};
using CpuidList = List<kvm_cpuid_entry2, 256>;
using MsrList = List<kvm_msr_entry, 64>;

inline constexpr unsigned long kGetSupportedCpuid = _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x05, 8),
                               kSetCpuid = _IOC(_IOC_WRITE, KVMIO, 0x90, 8),
                               kGetMsrs = _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x88, 8),
                               kSetMsrs = _IOC(_IOC_WRITE, KVMIO, 0x89, 8),
                               kGetXsave = _IOC(_IOC_READ, KVMIO, 0xa4, 4096),
                               kSetXsave = _IOC(_IOC_WRITE, KVMIO, 0xa5, 4096);
// Exit reasons and capabilities newer than Debian 12's header.
inline constexpr u32 kExitMemoryFault = 39;

}  // namespace tandem::hwassist::kvm
