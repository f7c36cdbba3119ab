// An engine against the host CPU, or against another engine.
#pragma once

#include <functional>
#include <string>

#include "tests/isa/generator.h"
#include "tests/support/engine_executor.h"
#include "tests/support/native_executor.h"

namespace tandem::tests {

// CODE ; text | start, where it is not the default | end, where it is not the start
struct Case {
  std::vector<u8> code;
  std::string text;
  RunState start, end;
  u32 undefined_flags = 0;  // not compared
};
std::string to_line(const Case& c);
Result<Case> from_line(const std::string& line);

// Clears what is not to be compared: undefined flags, bits that are always set, pointers of the x87
// environment.
void normalise(RunState& state, u32 undefined_flags);

// Runs code to what is right, as NativeExecutor::run does. Error: it can't.
using Oracle = std::function<Result<void>(std::span<const u8> code, RunState& state)>;
inline Oracle oracle_of(NativeExecutor& native) {
  return [&native](std::span<const u8> code, RunState& state) {
    return native.run(code, state), Result<void>();
  };
}
inline Oracle oracle_of(EngineExecutor& engine) {
  return [&engine](std::span<const u8> code, RunState& state) { return engine.run(code, state); };
}

class Comparer {
 public:
  // exact_flags: see EngineRow.
  Comparer(Oracle oracle, EngineExecutor& engine, bool exact_flags)
      : oracle_(std::move(oracle)), engine_(engine), exact_flags_(exact_flags) {}

  // Empty: no difference. Else a report: the first instruction that differs, as a ready line, and how.
  std::string compare(const Program& program);

 private:
  bool differs(std::span<const u8> code, const RunState& start, u32 undefined, RunState& host,
               RunState& guest, std::string& problem);
  void reduce(std::span<const u8> code, RunState& start, u32 undefined);
  std::string report(const Program& program);

  Result<void> run_both(std::span<const u8> code, RunState& host, RunState& guest);

  Oracle oracle_;
  EngineExecutor& engine_;
  bool exact_flags_;
};

}  // namespace tandem::tests
