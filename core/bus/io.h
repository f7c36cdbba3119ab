// One access of a vCPU to a port or to memory that is not RAM. Every engine makes these, KVM included.
#pragma once

#include "core/base/types.h"

namespace tandem::bus {

enum class BusKind : u8 { Pio, Mmio };
enum class IoDir : u8 { Read, Write };

struct IoAccess {
  BusKind bus;
  IoDir dir;
  u8 size;  // bytes: 1, 2, 4 (ports), also 8 (MMIO); wider accesses are split by the engine
  VcpuId vcpu;
  u64 address;  // port number or guest physical address
  u64 offset;   // from the start of the claim; set by Bus::dispatch
  u64 value;    // written value, or where the read value goes (zero-extended)
};

}  // namespace tandem::bus
