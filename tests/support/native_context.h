// What the executor's stub works on. At a fixed address, so that it needs no register.
#pragma once

#include <cstddef>

#include "core/base/types.h"

namespace tandem::tests {

inline constexpr u64 kContextAddress = 0x30000000;
inline constexpr unsigned kXsaveArea = 4096;

struct NativeContext {
  u64 gpr[16];
  u64 rflags;
  u64 host_rsp;
  u64 components;  // XSAVE mask
  u64 target;      // what the code's end jumps to
  u32 host_mxcsr;
  u32 signal;
  u64 code;  // address of the code under test
  u64 fault_vector, fault_code, fault_address, fault_rip;
  alignas(64) u8 xsave[kXsaveArea];
  alignas(64) u8 stack[4096];
};
static_assert(offsetof(NativeContext, rflags) == 0x80 && offsetof(NativeContext, host_rsp) == 0x88 &&
              offsetof(NativeContext, components) == 0x90 && offsetof(NativeContext, target) == 0x98 &&
              offsetof(NativeContext, host_mxcsr) == 0xa0 && offsetof(NativeContext, code) == 0xa8 &&
              offsetof(NativeContext, xsave) == 0x100 && offsetof(NativeContext, stack) == 0x1100);

}  // namespace tandem::tests
