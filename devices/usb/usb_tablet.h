// A USB tablet: a pointer that says where it is, with three buttons and a wheel.
#pragma once

#include "devices/input/input_sink.h"
#include "devices/usb/hid_device.h"

namespace tandem::devices {

struct TabletState {
  u8 buttons = 0;
  u16 x = 0, y = 0;
  bool moved = false;  // the last report was about the place alone
  static void fields(auto& a, auto& s) { a(s.buttons, s.x, s.y, s.moved); }
};

class UsbTablet final : public HidDevice {
 public:
  UsbTablet();
  void point(u32 x, u32 y);  // as InputSink's
  void button(PointerButton button, bool pressed);
  void wheel(i32 notches);
  void save(snapshot::StateWriter& writer) const override;
  std::function<void()> load(snapshot::StateReader& reader) override;

 private:
  HidReport report(i32 wheel) const;
  HidReport current() const override { return report(0); }
  void forget() override { tablet_ = {}; }
  void tell(const HidReport& report, bool moves);

  TabletState tablet_;
};

}  // namespace tandem::devices
