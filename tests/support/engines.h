// The engines that are built in, by the name that --engine takes: a row for each parameterised test.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/cpu/engine.h"
#include "core/interp/interp_engine.h"

namespace tandem::tests {

struct EngineRow {
  std::string name;
  std::function<std::unique_ptr<cpu::Engine>()> make;
};

inline std::vector<EngineRow> engine_rows() { return {{"interp", interp::make_interp_engine}}; }

}  // namespace tandem::tests
