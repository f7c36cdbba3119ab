// Rows of the instruction table that can't run in user mode on the host, and where they are tested instead.
#pragma once

#include <string_view>

namespace tandem::tests {

// The test guest or reason; empty: should have a case.
std::string_view elsewhere(std::string_view row);
inline bool tested_elsewhere(std::string_view row) { return !elsewhere(row).empty(); }

}  // namespace tandem::tests
