#include "devices/usb/usb_keyboard.h"

#include <linux/input-event-codes.h>

#include <algorithm>

namespace tandem::devices {

namespace {

constexpr u8 kFirstModifier = 0xe0, kLastModifier = 0xe7, kRollOver = 1;
constexpr std::size_t kSlots = 6;  // of keys in a report

// Usages from 04h on.
constexpr u16 kKeys[] = {
    KEY_A,       KEY_B,         KEY_C,          KEY_D,         KEY_E,          KEY_F,         KEY_G,
    KEY_H,       KEY_I,         KEY_J,          KEY_K,         KEY_L,          KEY_M,         KEY_N,
    KEY_O,       KEY_P,         KEY_Q,          KEY_R,         KEY_S,          KEY_T,         KEY_U,
    KEY_V,       KEY_W,         KEY_X,          KEY_Y,         KEY_Z,          KEY_1,         KEY_2,
    KEY_3,       KEY_4,         KEY_5,          KEY_6,         KEY_7,          KEY_8,         KEY_9,
    KEY_0,       KEY_ENTER,     KEY_ESC,        KEY_BACKSPACE, KEY_TAB,        KEY_SPACE,     KEY_MINUS,
    KEY_EQUAL,   KEY_LEFTBRACE, KEY_RIGHTBRACE, KEY_BACKSLASH, KEY_RESERVED,   KEY_SEMICOLON, KEY_APOSTROPHE,
    KEY_GRAVE,   KEY_COMMA,     KEY_DOT,        KEY_SLASH,     KEY_CAPSLOCK,   KEY_F1,        KEY_F2,
    KEY_F3,      KEY_F4,        KEY_F5,         KEY_F6,        KEY_F7,         KEY_F8,        KEY_F9,
    KEY_F10,     KEY_F11,       KEY_F12,        KEY_SYSRQ,     KEY_SCROLLLOCK, KEY_PAUSE,     KEY_INSERT,
    KEY_HOME,    KEY_PAGEUP,    KEY_DELETE,     KEY_END,       KEY_PAGEDOWN,   KEY_RIGHT,     KEY_LEFT,
    KEY_DOWN,    KEY_UP,        KEY_NUMLOCK,    KEY_KPSLASH,   KEY_KPASTERISK, KEY_KPMINUS,   KEY_KPPLUS,
    KEY_KPENTER, KEY_KP1,       KEY_KP2,        KEY_KP3,       KEY_KP4,        KEY_KP5,       KEY_KP6,
    KEY_KP7,     KEY_KP8,       KEY_KP9,        KEY_KP0,       KEY_KPDOT,      KEY_102ND,     KEY_COMPOSE,
    KEY_POWER,   KEY_KPEQUAL,   KEY_F13,        KEY_F14,       KEY_F15,        KEY_F16,       KEY_F17,
    KEY_F18,     KEY_F19,       KEY_F20,        KEY_F21,       KEY_F22,        KEY_F23,       KEY_F24,
};
constexpr u8 kFirstKey = 4;
constexpr u16 kModifiers[] = {KEY_LEFTCTRL,  KEY_LEFTSHIFT,  KEY_LEFTALT,  KEY_LEFTMETA,
                              KEY_RIGHTCTRL, KEY_RIGHTSHIFT, KEY_RIGHTALT, KEY_RIGHTMETA};

// HID 1.11, appendix B.1: eight bits of modifiers, a byte, six keys; five LEDs.
constexpr u8 kReportDescriptor[] = {
    0x05, 0x01,  // usage page: generic desktop
    0x09, 0x06,  // usage: keyboard
    0xa1, 0x01,  // collection: application
    0x05, 0x07,  //   usage page: keys
    0x19, 0xe0, 0x29, 0xe7, 0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x08, 0x81, 0x02,  //   modifiers
    0x95, 0x01, 0x75, 0x08, 0x81, 0x01,                                                  //   a byte
    0x95, 0x05, 0x75, 0x01, 0x05, 0x08, 0x19, 0x01, 0x29, 0x05, 0x91, 0x02,              //   LEDs
    0x95, 0x01, 0x75, 0x03, 0x91, 0x01,                                                  //   three bits
    0x95, 0x06, 0x75, 0x08, 0x15, 0x00, 0x26, 0xff, 0x00, 0x05, 0x07, 0x19, 0x00, 0x2a,
    0xff, 0x00, 0x81, 0x00, 0xc0};

}  // namespace

u8 usage_of_key(u16 code) {
  if (code == KEY_RESERVED) return 0;
  if (const auto* m = std::ranges::find(kModifiers, code); m != std::end(kModifiers))
    return static_cast<u8>(kFirstModifier + (m - kModifiers));
  const auto* k = std::ranges::find(kKeys, code);
  return k == std::end(kKeys) ? 0 : static_cast<u8>(kFirstKey + (k - kKeys));
}

UsbKeyboard::UsbKeyboard() : HidDevice({"USB Keyboard", 1, 1, kReportDescriptor, 8}) {}

// Too many keys at once give a code of their own in all places (appendix C).
HidReport UsbKeyboard::current() const {
  HidReport r{};
  r[0] = keys_.modifiers;
  const auto keys = std::span(r).last(kSlots);
  if (keys_.pressed.size() > kSlots) std::ranges::fill(keys, kRollOver);
  else std::ranges::copy(keys_.pressed, keys.begin());
  return r;
}

bool UsbKeyboard::key(u16 code, bool pressed) {
  const u8 usage = usage_of_key(code);
  if (usage == 0) return true;
  if (waiting().size() >= kMaxWaiting) return false;
  if (usage >= kFirstModifier && usage <= kLastModifier) {
    const u8 bit = static_cast<u8>(1 << (usage - kFirstModifier));
    keys_.modifiers = static_cast<u8>(pressed ? keys_.modifiers | bit : keys_.modifiers & ~bit);
  } else {
    const bool known = std::ranges::find(keys_.pressed, usage) != keys_.pressed.end();
    if (known == pressed) return true;  // the guest repeats keys itself
    if (pressed) keys_.pressed.push_back(usage);
    else std::erase(keys_.pressed, usage);
  }
  waiting().push_back(current());
  return true;
}

void UsbKeyboard::output(std::span<const u8> report) {
  if (!report.empty()) keys_.leds = report[0];
}

void UsbKeyboard::save(snapshot::StateWriter& writer) const {
  HidDevice::save(writer);
  writer(keys_);
}

std::function<void()> UsbKeyboard::load(snapshot::StateReader& reader) {
  auto base = HidDevice::load(reader);
  KeyboardState keys;
  reader(keys);
  reader.check(keys.pressed.size() <= 256, "the keys of a keyboard");
  return [this, base, keys] {
    base();
    keys_ = keys;
  };
}

}  // namespace tandem::devices
