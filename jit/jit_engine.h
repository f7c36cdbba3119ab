// The software engine: the interpreter with the translator above it.
#pragma once

#include <memory>

#include "core/cpu/engine.h"
#include "jit/runtime/jit_tier.h"

namespace tandem::jit {

// observer: told of all code that is made; may be empty.
std::unique_ptr<cpu::Engine> make_jit_engine(JitOptions options = {},
                                             std::shared_ptr<CodeObserver> observer = {});

}  // namespace tandem::jit
