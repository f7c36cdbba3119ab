// Keys by name, and texts as keys of a US keyboard.
#pragma once

#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::tools {

// Keys that are pressed one after the other and then let go: Linux' codes.
using Chord = std::vector<u16>;

// "a", "ret", "ctrl-alt-delete"; "#89": a key by Linux' code.
Result<Chord> parse_chord(std::string_view text);
// Error: a character that such a keyboard does not have.
Result<std::vector<Chord>> chords_of(std::string_view text);

}  // namespace tandem::tools
