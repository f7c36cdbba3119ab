// What a few instructions start from and end with, whoever runs them: the host CPU or an engine.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "core/cpu/cpu_state.h"

namespace tandem::tests {

// Where the instructions and their data are, in both worlds. Low addresses, so that 32-bit ones reach them,
// and none of them a small multiple of another. What lies around the window is not mapped.
inline constexpr u64 kCodeAddress = 0x2a5b0000;
inline constexpr u64 kWindowAddress = 0x12340000;
inline constexpr u64 kWindowSize = 2 * kPageSize;
inline constexpr u64 kMaxCode = 512;

struct RunFault {
  u8 vector = 0;
  u32 code = 0;
  u64 address = 0;  // #PF
  bool operator==(const RunFault&) const = default;
};

struct RunState {
  u64 gpr[16] = {};
  u64 rip = kCodeAddress;
  u64 rflags = 0x202;
  cpu::VectorState vector;
  std::vector<u8> window = std::vector<u8>(kWindowSize);
  std::optional<RunFault> fault;  // instead of reaching the end of the code
};

}  // namespace tandem::tests
