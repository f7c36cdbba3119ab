// Which instructions give the same result in a process of the host and in a guest's user mode.
#pragma once

#include "tests/isa/generator.h"

namespace tandem::tests {

bool runs_anywhere(const Decoded& decoded);

}  // namespace tandem::tests
