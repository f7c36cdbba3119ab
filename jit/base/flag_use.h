// Which arithmetic flags instructions read and set, and where they are live in a block.
#pragma once

#include <Zydis/Zydis.h>

#include <span>
#include <vector>

#include "core/cpu/cpu_state.h"
#include "core/isa/insn.h"

namespace tandem::jit {

inline constexpr u16 kAllFlags = static_cast<u16>(cpu::kArithmeticFlags);

struct FlagUse {
  u16 reads = 0;
  u16 kills = 0;  // set whatever they were before, or left undefined
  bool writes = false;

  bool operator==(const FlagUse&) const = default;
};

// All that are not as they were before, or left undefined.
u32 written_flags(const ZydisDecodedInstruction& insn);
FlagUse flag_use(const ZydisDecodedInstruction& insn);
// Is it a shift or rotation whose immediate count is 0? It sets no flags, as others of its shape do.
bool shifts_by_nothing(const isa::Insn& insn);
// What an instruction does that the interpreter executes: it may look at any flag.
inline constexpr FlagUse kExecutedFlags{kAllFlags, 0, true};

// Flags that the manual leaves open, and CPUs and the interpreter do not agree on.
u32 undefined_flags(const ZydisDecodedInstruction& insn);

// For each instruction the flags that are live before it. All are live behind the last one.
void live_flags(std::span<const FlagUse> uses, std::vector<u32>& before);

}  // namespace tandem::jit
