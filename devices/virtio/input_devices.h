// A keyboard and a tablet on virtio for who types and points, with what the guest has otherwise for the time
// before its drivers are at work, and for movements of a mouse.
#pragma once

#include "devices/input/input_sink.h"
#include "devices/virtio/input.h"

namespace tandem::devices::virtio {

class InputDevices final : public InputSink {
 public:
  // All outlive it.
  InputDevices(Input& keyboard, Input& tablet, InputSink& otherwise)
      : keyboard_(keyboard), tablet_(tablet), otherwise_(otherwise) {}

  bool key(u16 code, bool pressed) override;
  void button(PointerButton button, bool pressed) override;
  void move(i32 right, i32 down, i32 wheel) override;
  void point(u32 x, u32 y) override;
  bool takes_points() const override { return tablet_.in_use(); }

 private:
  Input& keyboard_;
  Input& tablet_;
  InputSink& otherwise_;
};

}  // namespace tandem::devices::virtio
