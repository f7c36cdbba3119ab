// InputRouter: keys and the pointer go to the USB device that a driver of the guest listens to, else to the
// PS/2 one.
#pragma once

#include "devices/input/ps2_input.h"
#include "devices/usb/usb_keyboard.h"
#include "devices/usb/usb_tablet.h"
#include "devices/usb/xhci.h"

namespace tandem::devices {

class InputRouter final : public InputSink {
 public:
  // What hangs on the bus; the devices belong to it. Null: there is none.
  struct Usb {
    Xhci* bus = nullptr;
    UsbKeyboard* keyboard = nullptr;
    UsbTablet* tablet = nullptr;
  };
  InputRouter(I8042& controller, const Usb& usb) : ps2_(controller), usb_(usb) {}

  bool key(u16 code, bool pressed) override;
  void button(PointerButton button, bool pressed) override;
  void move(i32 right, i32 down, i32 wheel) override;
  void point(u32 x, u32 y) override;
  bool takes_points() const override;

 private:
  // Calls f(device) where the guest listens to it; whether it does.
  template <class Device, class F>
  bool use(Device* device, F f) const {
    bool used = false;
    if (device)
      usb_.bus->with_devices([&] {
        used = device->in_use();
        if (used) f(*device);
      });
    return used;
  }

  Ps2Input ps2_;
  Usb usb_;
};

}  // namespace tandem::devices
