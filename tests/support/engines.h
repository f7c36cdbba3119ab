// The engines that are built in, by the name that --engine takes: a row for each parameterised test.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/cpu/engine.h"
#include "core/interp/interp_engine.h"
#include "jit/jit_engine.h"

namespace tandem::tests {

struct EngineRow {
  std::string name;
  std::function<std::unique_ptr<cpu::Engine>()> make;
  bool exact_flags = true;  // a fault shows arithmetic flags that nobody read, too
};

inline std::vector<EngineRow> engine_rows() {
  return {
      {"interp", interp::make_interp_engine},
      {"jit", [] { return jit::make_jit_engine(); }, false},
      // Translated before the first run; and with flags kept that nobody reads.
      {"jit_forced", [] { return jit::make_jit_engine({.threshold = 0}); }, false},
      {"jit_exact", [] { return jit::make_jit_engine({.threshold = 0, .exact_flags = true}); }},
      // Every access by the host's own mappings, where that is possible at all.
      {"jit_hosted",
       [] { return jit::make_jit_engine({.threshold = 0, .hosted = {.supervisor = true, .after = 0}}); },
       false},
      // All of it that tier 2 can, by tier 2.
      {"jit_llvm",
       [] {
         return jit::make_jit_engine(
             {.threshold = 0, .llvm = true, .llvm_now = true, .hosted = {.supervisor = true, .after = 0}});
       },
       false},
      {"jit_plain",
       [] {
         return jit::make_jit_engine({.threshold = 0,
                                      .links = false,
                                      .memory = false,
                                      .merge = false,
                                      .vectors = false,
                                      .x87 = false,
                                      .hosted = {.on = false}});
       },
       false},
  };
}

}  // namespace tandem::tests
