// Which arithmetic flags instructions read and set, and where they are live in a block.
#pragma once

#include <Zydis/Zydis.h>

#include <span>
#include <vector>

#include "core/cpu/cpu_state.h"

namespace tandem::jit {

inline constexpr u32 kAllFlags = static_cast<u32>(cpu::kArithmeticFlags);

struct FlagUse {
  u32 reads = 0;
  u32 kills = 0;  // set whatever they were before, or left undefined
  bool writes = false;
};

// All that are not as they were before, or left undefined.
u32 written_flags(const ZydisDecodedInstruction& insn);
FlagUse flag_use(const ZydisDecodedInstruction& insn);
// What an instruction does that the interpreter executes: it may look at any flag.
inline constexpr FlagUse kExecutedFlags{kAllFlags, 0, true};

// Flags that the manual leaves open, and CPUs and the interpreter do not agree on.
u32 undefined_flags(const ZydisDecodedInstruction& insn);

// For each instruction the flags that are live before it. All are live behind the last one.
void live_flags(std::span<const FlagUse> uses, std::vector<u32>& before);

}  // namespace tandem::jit
