#include "devices/virtio/input_devices.h"

#include <linux/input-event-codes.h>

#include <array>

namespace tandem::devices::virtio {

bool InputDevices::key(u16 code, bool pressed) {
  if (!keyboard_.in_use()) return otherwise_.key(code, pressed);
  return keyboard_.send(std::array{InputEvent{EV_KEY, code, pressed}});
}

// PointerButton's order is that of the codes.
void InputDevices::button(PointerButton which, bool pressed) {
  if (!tablet_.in_use()) return otherwise_.button(which, pressed);
  const u16 code = static_cast<u16>(BTN_LEFT + static_cast<u16>(which));
  tablet_.send(std::array{InputEvent{EV_KEY, code, pressed}});
}

void InputDevices::move(i32 right, i32 down, i32 wheel) {
  if (!tablet_.in_use()) return otherwise_.move(right, down, wheel);
  if (wheel) tablet_.send(std::array{InputEvent{EV_REL, REL_WHEEL, static_cast<u32>(wheel)}});
  if (right || down) otherwise_.move(right, down, 0);
}

void InputDevices::point(u32 x, u32 y) {
  tablet_.send(std::array{InputEvent{EV_ABS, ABS_X, x}, InputEvent{EV_ABS, ABS_Y, y}});
}

}  // namespace tandem::devices::virtio
