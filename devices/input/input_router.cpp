#include "devices/input/input_router.h"

namespace tandem::devices {

bool InputRouter::key(u16 code, bool pressed) {
  bool taken = true;
  if (use(usb_.keyboard, [&](UsbKeyboard& k) { taken = k.key(code, pressed); })) return taken;
  return ps2_.key(code, pressed);
}

void InputRouter::button(PointerButton button, bool pressed) {
  if (!use(usb_.tablet, [&](UsbTablet& t) { t.button(button, pressed); })) ps2_.button(button, pressed);
}

// A tablet has a wheel of its own; how far the pointer moves is for a mouse alone.
void InputRouter::move(i32 right, i32 down, i32 wheel) {
  if (wheel && use(usb_.tablet, [&](UsbTablet& t) { t.wheel(wheel); })) wheel = 0;
  if (right || down || wheel) ps2_.move(right, down, wheel);
}

void InputRouter::point(u32 x, u32 y) {
  use(usb_.tablet, [&](UsbTablet& t) { t.point(x, y); });
}

bool InputRouter::takes_points() const {
  return use(usb_.tablet, [](UsbTablet&) {});
}

}  // namespace tandem::devices
