// Tier 0: the interpreter as an engine of its own, the reference for all others.
#pragma once

#include <memory>

#include "core/cpu/engine.h"

namespace tandem::interp {

std::unique_ptr<cpu::Engine> make_interp_engine();

}  // namespace tandem::interp
