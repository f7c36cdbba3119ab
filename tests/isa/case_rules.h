// What kind of instruction a case is about.
#pragma once

#include <span>

#include "tests/isa/generator.h"

namespace tandem::tests {

enum class Group : u8 { Integer, X87, Vector };
Group group_of(std::span<const u8> code);

// Approximations whose last bits are each vendor's own: recorded results hold for one vendor only.
bool is_approximate(ZydisMnemonic mnemonic);

}  // namespace tandem::tests
