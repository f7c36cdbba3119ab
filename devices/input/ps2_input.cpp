// The keyboard sends set 2; the controller's translation leads from there to set 1 (IBM PS/2 hardware
// interface technical reference, "Keyboard").
#include "devices/input/ps2_input.h"

#include <linux/input-event-codes.h>

#include <vector>

#include "devices/input/key_codes.h"

namespace tandem::devices {

namespace {

constexpr u8 kExtended = 0xe0, kBreak = 0xf0, kHanja = 0xf1, kHangul = 0xf2;

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
  if (code == KEY_HANGEUL || code == KEY_HANJA)  // the same
    return pressed ? std::vector<u8>{code == KEY_HANJA ? kHanja : kHangul} : std::vector<u8>{};
  const std::optional<Set1Code> set1 = set1_of(code);
  const u8 set2 = set1 ? set2_of_set1(set1->code) : 0;
  return set2 ? with_prefix(set1->extended, pressed, set2) : std::vector<u8>{};
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
