// What a thunk and the code around it share. One for each vCPU.
#pragma once

#include <cstddef>

#include "core/base/types.h"
#include "core/cpu/cpu_state.h"

namespace tandem::semantics {

// The x87 part of an XSAVE area with its header (SDM vol. 1, 13.4).
struct alignas(64) XsaveX87 {
  cpu::X87State x87;
  u8 rest_of_legacy[512 - sizeof(cpu::X87State)] = {};
  u64 xstate_bv = 1;
  u64 xcomp_bv = 0;
  u64 reserved[6] = {};
};
static_assert(offsetof(XsaveX87, xstate_bv) == 512);

struct HostFrame {
  u64 flags = 0;            // RFLAGS before and after
  u32 host_mxcsr = 0x1f80;  // what C++ code runs with (System V ABI)
  u32 signal = 0;           // that ended the thunk
  u32 fault_mxcsr = 0;      // guest's MXCSR at that moment
  u64 fault_pc = 0;         // where the signal came from
  u64 fault_address = 0;    // of SIGSEGV: what could not be accessed, 0 where that is not known
  bool fault_write = false;
  u64 fault_exit = 0;  // address of the code that leaves a thunk after a signal
  XsaveX87 xsave;
  alignas(64) u8 scratch[128] = {};
};

}  // namespace tandem::semantics
