// Whether two machines are the same, and where they are not.
#pragma once

#include <string>
#include <vector>

#include "tools/lockstep/side.h"
#include "tools/states/difference.h"

namespace tandem::lockstep {

using states::Change;
using states::MemoryChange;

struct Comparison {
  std::vector<Change> fields;        // of the CPU
  std::vector<Change> surroundings;  // devices, time, output, how the guest ended
  std::vector<MemoryChange> memory;  // the first few
  u64 memory_words = 0;              // how many in all

  bool equal() const { return fields.empty() && surroundings.empty() && memory_words == 0; }
};

struct CompareOptions {
  bool lazy_flags = false;  // the bits of arithmetic flags may differ in RFLAGS, registers, memory
  bool memory = true;
};

// How a guest ended.
std::string end_text(const machine::RunOutcome& outcome);

Result<Comparison> compare(Side& first, Side& second, const CompareOptions& options);

}  // namespace tandem::lockstep
