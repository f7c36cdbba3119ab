// Linux' key codes, which name places on a keyboard, and what else stands for them.
#pragma once

#include <optional>
#include <string_view>

#include "core/base/types.h"

namespace tandem::devices {

// A make code of scan code set 1, behind E0h where extended.
struct Set1Code {
  u8 code = 0;
  bool extended = false;
  bool operator==(const Set1Code&) const = default;
};

// Nothing: PC keyboards do not have it, or it is more than one code (Print, Pause, Hangul, Hanja).
std::optional<Set1Code> set1_of(u16 key);
std::optional<u16> key_of(Set1Code code);

// What gives a character on a US keyboard.
struct CharacterKey {
  u16 key = 0;
  bool shift = false;
};
std::optional<CharacterKey> us_key(char character);

}  // namespace tandem::devices
