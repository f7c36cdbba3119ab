// Instructions as a machine came to execute them, one by one, with their bytes and as text.
#pragma once

#include <string>
#include <vector>

#include "tools/lockstep/side.h"

namespace tandem::lockstep {

struct Executed {
  u64 number;            // instructions count from 1
  cpu::CpuState before;  // the state that it started from
  std::string text;      // linear address, bytes, disassembly
};

// Runs on instruction by instruction, to `to`.
Result<std::vector<Executed>> list(Side& side, u64 to);

}  // namespace tandem::lockstep
