// RunStates as text: key=value fields, as cases and reports have them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "tests/support/run_state.h"

namespace tandem::tests {

// One named part of a state, little-endian.
struct Field {
  std::string key;
  u8* data;
  unsigned size;
};
// Registers of all kinds. Pointers of the x87 environment are not among them: they belong to whoever
// executed.
std::vector<Field> fields(RunState& state);

// The state that cases start from but for what they say: zeros, RSP in the middle of the window, RBX at its
// first quarter, exceptions masked, x87 empty.
RunState default_state();

// What `state` has otherwise than `base`: "rax=5 mem+800=0011 fault=14:6@123". RIP as an offset from the
// code.
std::string difference(const RunState& base, const RunState& state);
// Applies such a text. Error: names the field.
Result<void> apply(const std::string& text, RunState& state);

std::string to_hex(std::span<const u8> bytes);  // in sequence
Result<std::vector<u8>> from_hex(const std::string& text);

}  // namespace tandem::tests
