// Vector instructions with a memory operand as text, for assembly in which LLVM chooses the registers of the
// address.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "jit/base/decoded.h"

namespace tandem::jit {

// In AT&T's syntax as inline assembly has it, with `memory` as the operand in memory. Nothing: it has no
// explicit one, or its mnemonic and operands alone do not say which instruction it is (conversions, whose
// suffixes tell sizes; masks and broadcasts of EVEX; operands that are no vectors).
std::optional<std::string> vector_text(const Decoded& d, std::string_view memory);

}  // namespace tandem::jit
