// From a decoded instruction to what running it on the host takes.
#pragma once

#include <Zydis/Zydis.h>

#include <optional>

#include "core/semantics/host/host_insn.h"

namespace tandem::semantics {

// Everything but the thunk. Nothing: not an instruction for the host.
std::optional<HostInsn> analyse(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands);

}  // namespace tandem::semantics
