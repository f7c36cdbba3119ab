// The host CPU against an engine.
#pragma once

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

class Comparer {
 public:
  // exact_flags: see EngineRow.
  Comparer(NativeExecutor& native, EngineExecutor& engine, bool exact_flags)
      : native_(native), engine_(engine), exact_flags_(exact_flags) {}

  // Empty: no difference. Else a report: the first instruction that differs, as a ready line, and how.
  std::string compare(const Program& program);

 private:
  bool differs(std::span<const u8> code, const RunState& start, u32 undefined, RunState& host,
               RunState& guest, std::string& problem);
  void reduce(std::span<const u8> code, RunState& start, u32 undefined);
  std::string report(const Program& program);

  NativeExecutor& native_;
  EngineExecutor& engine_;
  bool exact_flags_;
};

}  // namespace tandem::tests
