// Random programs on the host CPU and on each row of engines.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "tests/isa/compare.h"
#include "tests/isa/seed.h"
#include "tests/isa/state_text.h"
#include "tests/support/engines.h"

namespace tandem::tests {

struct HostProgram {
  RunState start;
  std::vector<u8> code;
  std::string text;                                             // of what matters in it
  u32 undefined_flags = 0;                                      // not compared
  std::function<void(RunState&)> normalise = [](RunState&) {};  // takes out what CPUs differ in
};

// Programs: made of a seed; next() gives one after the other. Stops at the first that ends in another state.
template <class Programs>
void run_against_host(int count) {
  const u64 seed = test_seed();
  SCOPED_TRACE(fmt::format("TANDEM_SEED={}", seed));
  auto native = NativeExecutor::create();
  ASSERT_TRUE(native) << native.error().message;
  const cpu::CpuModel model = cpu::make_cpu_model("max").take();
  for (const EngineRow& row : engine_rows()) {
    const auto engine = row.make();
    auto guest = EngineExecutor::create(*engine, model).take();
    Programs programs(seed);
    const int programs_here = row.name == "jit_llvm" ? count / 6 : count;  // each is compiled
    for (int i = 0; i < programs_here; ++i) {
      const HostProgram program = programs.next();
      RunState host = program.start, end = program.start;
      native.value()->run(program.code, host);
      const auto ran = guest->run(program.code, end);
      ASSERT_TRUE(ran) << ran.error().message;
      for (RunState* const state : {&host, &end}) {
        normalise(*state, program.undefined_flags);
        program.normalise(*state);
      }
      ASSERT_EQ(difference(host, end), "") << row.name << ", program " << i << ", " << program.text << ": "
                                           << difference(default_state(), program.start).substr(0, 600);
    }
  }
}

}  // namespace tandem::tests
