// Which engine runs a guest.
#pragma once

#include <memory>
#include <string>

#include "core/base/result.h"
#include "core/config/settings.h"
#include "core/cpu/engine.h"

namespace tandem::tools {

struct EngineChoice {
  std::string name;
  std::string reason;
  std::unique_ptr<cpu::Engine> engine;
};

// By engine (auto, interp, jit, kvm; with a trailing ! it is that one or an error), jit and dump.
Result<EngineChoice> choose_engine(const config::Settings& settings);

}  // namespace tandem::tools
