// A USB keyboard with the boot protocol (HID 1.11, appendix B).
#pragma once

#include "devices/usb/hid_device.h"

namespace tandem::devices {

struct KeyboardState {
  u8 modifiers = 0, leds = 0;
  std::vector<u8> pressed;  // usages, in the order in which they were pressed
  static void fields(auto& a, auto& s) { a(s.modifiers, s.leds, s.pressed); }
};

class UsbKeyboard final : public HidDevice {
 public:
  UsbKeyboard();
  // A code of linux/input-event-codes.h. False: no room, nothing happened.
  bool key(u16 code, bool pressed);
  u8 leds() const { return keys_.leds; }
  void save(snapshot::StateWriter& writer) const override;
  std::function<void()> load(snapshot::StateReader& reader) override;

 private:
  HidReport current() const override;
  void output(std::span<const u8> report) override;
  void forget() override { keys_ = {}; }

  KeyboardState keys_;
};

// The usage of a key (HID Usage Tables 1.12, chapter 10); 0: none.
u8 usage_of_key(u16 code);

}  // namespace tandem::devices
