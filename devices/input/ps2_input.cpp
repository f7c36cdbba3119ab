// Linux' codes of the main keys are scan codes of set 1; the keyboard sends set 2, and the controller's
// translation leads from one to the other (IBM PS/2 hardware interface technical reference, "Keyboard").
#include "devices/input/ps2_input.h"

#include <linux/input-event-codes.h>

#include <vector>

namespace tandem::devices {

namespace {

constexpr u8 kExtended = 0xe0, kBreak = 0xf0;

struct ExtendedKey {
  u16 code;
  u8 set1;
};
constexpr ExtendedKey kExtendedKeys[] = {
    {KEY_KPENTER, 0x1c}, {KEY_RIGHTCTRL, 0x1d}, {KEY_KPSLASH, 0x35},  {KEY_RIGHTALT, 0x38},
    {KEY_HOME, 0x47},    {KEY_UP, 0x48},        {KEY_PAGEUP, 0x49},   {KEY_LEFT, 0x4b},
    {KEY_RIGHT, 0x4d},   {KEY_END, 0x4f},       {KEY_DOWN, 0x50},     {KEY_PAGEDOWN, 0x51},
    {KEY_INSERT, 0x52},  {KEY_DELETE, 0x53},    {KEY_LEFTMETA, 0x5b}, {KEY_RIGHTMETA, 0x5c},
    {KEY_COMPOSE, 0x5d},
};

u8 set2_of_set1(u8 set1) {
  constexpr u8 kF7 = 0x83;  // alone lies behind the others; 02h, no key's, is translated to the same
  if (translate_scan_code(kF7) == set1) return kF7;
  for (unsigned set2 = 1; set2 < kF7; ++set2)
    if (translate_scan_code(static_cast<u8>(set2)) == set1) return static_cast<u8>(set2);
  return 0;
}

std::vector<u8> with_prefix(bool extended, bool pressed, u8 set2) {
  std::vector<u8> bytes;
  if (extended) bytes.push_back(kExtended);
  if (!pressed) bytes.push_back(kBreak);
  bytes.push_back(set2);
  return bytes;
}

// What the keyboard sends; nothing for a key that it does not have.
std::vector<u8> bytes_of(u16 code, bool pressed) {
  if (code == KEY_PAUSE)  // has no break code
    return pressed ? std::vector<u8>{0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77} : std::vector<u8>{};
  if (code == KEY_SYSRQ)
    return pressed ? std::vector<u8>{0xe0, 0x12, 0xe0, 0x7c}
                   : std::vector<u8>{0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12};
  for (const ExtendedKey& k : kExtendedKeys)
    if (k.code == code) return with_prefix(true, pressed, set2_of_set1(k.set1));
  const u8 set2 = code <= KEY_F12 ? set2_of_set1(static_cast<u8>(code)) : 0;
  return set2 ? with_prefix(false, pressed, set2) : std::vector<u8>{};
}

}  // namespace

bool Ps2Input::key(u16 code, bool pressed) {
  const std::vector<u8> bytes = bytes_of(code, pressed);
  return bytes.empty() || controller_.key(bytes);
}

void Ps2Input::button(PointerButton button, bool pressed) {
  const u8 bit = static_cast<u8>(1 << static_cast<unsigned>(button));
  if (pressed) buttons_ |= bit;
  else buttons_ &= static_cast<u8>(~bit);
  controller_.mouse(0, 0, 0, buttons_);
}

void Ps2Input::move(i32 right, i32 down, i32 wheel) { controller_.mouse(right, -down, wheel, buttons_); }

}  // namespace tandem::devices
