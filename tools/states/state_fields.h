// CpuState as named fields.
#pragma once

#include <string>
#include <vector>

#include "core/cpu/cpu_state.h"

namespace tandem::states {

// A field of a CpuState: plain bytes, little-endian.
struct StateField {
  std::string name;
  std::size_t offset;
  unsigned size;

  const u8* in(const cpu::CpuState& state) const { return reinterpret_cast<const u8*>(&state) + offset; }
};

// All fields, in the order in which they are to be printed.
const std::vector<StateField>& state_fields();
std::string text_of(const StateField& field, const cpu::CpuState& state);

}  // namespace tandem::states
