// Linux' codes of the main keys are those of set 1. Others: Microsoft, "USB HID to PS/2 Scan Code Translation
// Table".
#include "devices/input/key_codes.h"

#include <linux/input-event-codes.h>

namespace tandem::devices {

namespace {

struct Row {
  u16 key;
  Set1Code set1;
};
constexpr Row kKeys[] = {
    {KEY_KPENTER, {0x1c, true}},
    {KEY_RIGHTCTRL, {0x1d, true}},
    {KEY_KPSLASH, {0x35, true}},
    {KEY_RIGHTALT, {0x38, true}},
    {KEY_HOME, {0x47, true}},
    {KEY_UP, {0x48, true}},
    {KEY_PAGEUP, {0x49, true}},
    {KEY_LEFT, {0x4b, true}},
    {KEY_RIGHT, {0x4d, true}},
    {KEY_END, {0x4f, true}},
    {KEY_DOWN, {0x50, true}},
    {KEY_PAGEDOWN, {0x51, true}},
    {KEY_INSERT, {0x52, true}},
    {KEY_DELETE, {0x53, true}},
    {KEY_LEFTMETA, {0x5b, true}},
    {KEY_RIGHTMETA, {0x5c, true}},
    {KEY_COMPOSE, {0x5d, true}},
    {KEY_PREVIOUSSONG, {0x10, true}},
    {KEY_NEXTSONG, {0x19, true}},
    {KEY_MUTE, {0x20, true}},
    {KEY_PLAYPAUSE, {0x22, true}},
    {KEY_STOPCD, {0x24, true}},
    {KEY_VOLUMEDOWN, {0x2e, true}},
    {KEY_VOLUMEUP, {0x30, true}},
    {KEY_HOMEPAGE, {0x32, true}},
    {KEY_BACK, {0x6a, true}},
    {KEY_FORWARD, {0x69, true}},
    // Japanese, Korean and Brazilian keyboards.
    {KEY_RO, {0x73, false}},
    {KEY_YEN, {0x7d, false}},
    {KEY_HENKAN, {0x79, false}},
    {KEY_MUHENKAN, {0x7b, false}},
    {KEY_KATAKANAHIRAGANA, {0x70, false}},
    {KEY_KATAKANA, {0x78, false}},
    {KEY_HIRAGANA, {0x77, false}},
    {KEY_ZENKAKUHANKAKU, {0x76, false}},
    {KEY_KPCOMMA, {0x7e, false}},
    {KEY_KPJPCOMMA, {0x5c, false}},
    {KEY_KPEQUAL, {0x59, false}},
    {KEY_F13, {0x64, false}},
    {KEY_F14, {0x65, false}},
    {KEY_F15, {0x66, false}},
    {KEY_F16, {0x67, false}},
    {KEY_F17, {0x68, false}},
    {KEY_F18, {0x69, false}},
    {KEY_F19, {0x6a, false}},
    {KEY_F20, {0x6b, false}},
    {KEY_F21, {0x6c, false}},
    {KEY_F22, {0x6d, false}},
    {KEY_F23, {0x6e, false}},
    {KEY_F24, {0x76, false}},
};

bool is_main_key(u16 key) { return key >= KEY_ESC && key <= KEY_F12 && key != 84; }

// A row of the keyboard: what its keys give without and with Shift, from this code on.
struct CharacterRow {
  u16 first;
  std::string_view plain, shifted;
};
constexpr CharacterRow kRows[] = {
    {KEY_1, "1234567890-=", "!@#$%^&*()_+"},
    {KEY_Q, "qwertyuiop[]", "QWERTYUIOP{}"},
    {KEY_A, "asdfghjkl;'`", "ASDFGHJKL:\"~"},
    {KEY_BACKSLASH, "\\zxcvbnm,./", "|ZXCVBNM<>?"},
    {KEY_SPACE, " ", ""},
    {KEY_ENTER, "\n", ""},
    {KEY_TAB, "\t", ""},
};

}  // namespace

std::optional<Set1Code> set1_of(u16 key) {
  for (const Row& row : kKeys)
    if (row.key == key) return row.set1;
  if (is_main_key(key)) return Set1Code{static_cast<u8>(key), false};
  return std::nullopt;
}

std::optional<u16> key_of(Set1Code code) {
  for (const Row& row : kKeys)
    if (row.set1 == code) return row.key;
  if (!code.extended && is_main_key(code.code)) return code.code;
  return std::nullopt;
}

std::optional<CharacterKey> us_key(char c) {
  for (const CharacterRow& row : kRows) {
    if (const std::size_t at = row.plain.find(c); at != std::string_view::npos)
      return CharacterKey{static_cast<u16>(row.first + at), false};
    if (const std::size_t at = row.shifted.find(c); at != std::string_view::npos)
      return CharacterKey{static_cast<u16>(row.first + at), true};
  }
  return std::nullopt;
}

}  // namespace tandem::devices
