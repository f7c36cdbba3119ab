#include "devices/backend/vnc/vnc_keyboard.h"

#include <linux/input-event-codes.h>
#include <rfb/keysym.h>

#include <algorithm>

#include "devices/input/key_codes.h"

namespace tandem::devices {

namespace {

struct Row {
  u32 keysym;
  u16 key;
};
constexpr Row kKeys[] = {
    {XK_BackSpace, KEY_BACKSPACE},
    {XK_Tab, KEY_TAB},
    {0xfe20, KEY_TAB},  // ISO_Left_Tab: with Shift
    {XK_Return, KEY_ENTER},
    {XK_Escape, KEY_ESC},
    {XK_Pause, KEY_PAUSE},
    {XK_Break, KEY_PAUSE},
    {XK_Scroll_Lock, KEY_SCROLLLOCK},
    {XK_Print, KEY_SYSRQ},
    {XK_Sys_Req, KEY_SYSRQ},
    {XK_Delete, KEY_DELETE},
    {XK_Insert, KEY_INSERT},
    {XK_Home, KEY_HOME},
    {XK_End, KEY_END},
    {XK_Prior, KEY_PAGEUP},
    {XK_Next, KEY_PAGEDOWN},
    {XK_Left, KEY_LEFT},
    {XK_Up, KEY_UP},
    {XK_Right, KEY_RIGHT},
    {XK_Down, KEY_DOWN},
    {XK_Menu, KEY_COMPOSE},
    {XK_Num_Lock, KEY_NUMLOCK},
    {XK_Caps_Lock, KEY_CAPSLOCK},
    {XK_Shift_L, KEY_LEFTSHIFT},
    {XK_Shift_R, KEY_RIGHTSHIFT},
    {XK_Control_L, KEY_LEFTCTRL},
    {XK_Control_R, KEY_RIGHTCTRL},
    {XK_Alt_L, KEY_LEFTALT},
    {XK_Meta_L, KEY_LEFTALT},
    {XK_Alt_R, KEY_RIGHTALT},
    {XK_Meta_R, KEY_RIGHTALT},
    {XK_Super_L, KEY_LEFTMETA},
    {XK_Super_R, KEY_RIGHTMETA},
    {XK_KP_Enter, KEY_KPENTER},
    {XK_KP_Multiply, KEY_KPASTERISK},
    {XK_KP_Add, KEY_KPPLUS},
    {XK_KP_Separator, KEY_KPCOMMA},
    {XK_KP_Subtract, KEY_KPMINUS},
    {XK_KP_Decimal, KEY_KPDOT},
    {XK_KP_Divide, KEY_KPSLASH},
    {XK_KP_Equal, KEY_KPEQUAL},
    {XK_KP_0, KEY_KP0},
    {XK_KP_1, KEY_KP1},
    {XK_KP_2, KEY_KP2},
    {XK_KP_3, KEY_KP3},
    {XK_KP_4, KEY_KP4},
    {XK_KP_5, KEY_KP5},
    {XK_KP_6, KEY_KP6},
    {XK_KP_7, KEY_KP7},
    {XK_KP_8, KEY_KP8},
    {XK_KP_9, KEY_KP9},
    // The same keys where the viewer's Num Lock is off.
    {XK_KP_Insert, KEY_KP0},
    {XK_KP_End, KEY_KP1},
    {XK_KP_Down, KEY_KP2},
    {XK_KP_Next, KEY_KP3},
    {XK_KP_Left, KEY_KP4},
    {XK_KP_Begin, KEY_KP5},
    {XK_KP_Right, KEY_KP6},
    {XK_KP_Home, KEY_KP7},
    {XK_KP_Up, KEY_KP8},
    {XK_KP_Prior, KEY_KP9},
    {XK_KP_Delete, KEY_KPDOT},
};

u16 function_key(u32 keysym) {
  if (keysym >= XK_F1 && keysym <= XK_F10) return static_cast<u16>(KEY_F1 + keysym - XK_F1);
  if (keysym == XK_F11 || keysym == XK_F12) return static_cast<u16>(KEY_F11 + keysym - XK_F11);
  if (keysym >= XK_F13 && keysym <= XK_F24) return static_cast<u16>(KEY_F13 + keysym - XK_F13);
  return 0;
}

u16 plain_key(u32 keysym) {
  for (const Row& row : kKeys)
    if (row.keysym == keysym) return row.key;
  return function_key(keysym);
}

bool is_letter(u32 keysym) { return (keysym | 0x20) >= 'a' && (keysym | 0x20) <= 'z'; }

}  // namespace

void VncKeyboard::send(u16 key, bool pressed) {
  if (pressed) keys_.press(key);
  else keys_.release(key);
}

void VncKeyboard::keysym(u32 keysym, bool pressed) {
  if (keysym == XK_Caps_Lock && pressed) caps_lock_ = !caps_lock_;
  if (const u16 key = plain_key(keysym)) return send(key, pressed);
  const auto key = keysym >= ' ' && keysym <= '~' ? us_key(static_cast<char>(keysym)) : std::nullopt;
  if (!key) return;
  if (!pressed) return send(key->key, false);
  character(key->key, key->shift != (caps_lock_ && is_letter(keysym)));
}

// Some viewers say "A" without a word of Shift, others have a layout where it takes Shift to make the
// character.
void VncKeyboard::character(u16 key, bool needs_shift) {
  const bool left = keys_.is_pressed(KEY_LEFTSHIFT), right = keys_.is_pressed(KEY_RIGHTSHIFT);
  const auto commands = {KEY_LEFTCTRL, KEY_RIGHTCTRL, KEY_LEFTALT, KEY_LEFTMETA};
  const bool is_command = std::ranges::any_of(commands, [&](u16 k) { return keys_.is_pressed(k); });
  if (is_command || needs_shift == (left || right)) return keys_.press(key);
  if (needs_shift) keys_.press(KEY_LEFTSHIFT);
  else keys_.release(KEY_LEFTSHIFT), keys_.release(KEY_RIGHTSHIFT);
  keys_.press(key);
  if (needs_shift) keys_.release(KEY_LEFTSHIFT);
  if (left) keys_.press(KEY_LEFTSHIFT);
  if (right) keys_.press(KEY_RIGHTSHIFT);
}

void VncKeyboard::scan_code(u32 code, u32 keysym_of_it, bool pressed) {
  constexpr u32 kHigh = 0x80, kSysRq = 0x54, kPause = 0xc6, kPrint = 0xb7;
  if (code == kPause) return send(KEY_PAUSE, pressed);
  if (code == kSysRq || code == kPrint) return send(KEY_SYSRQ, pressed);
  if (const auto key = key_of({static_cast<u8>(code & ~kHigh), (code & kHigh) != 0}); key && code <= 0xff)
    return send(*key, pressed);
  keysym(keysym_of_it, pressed);
}

}  // namespace tandem::devices
