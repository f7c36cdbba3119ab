// Ps2Input: keys and a mouse for the keyboard controller.
#pragma once

#include <atomic>

#include "devices/input/i8042.h"
#include "devices/input/input_sink.h"

namespace tandem::devices {

class Ps2Input final : public InputSink {
 public:
  explicit Ps2Input(I8042& controller) : controller_(controller) {}

  bool key(u16 code, bool pressed) override;
  void button(PointerButton button, bool pressed) override;
  void move(i32 right, i32 down, i32 wheel) override;
  void point(u32, u32) override {}
  bool takes_points() const override { return false; }

 private:
  I8042& controller_;
  std::atomic<u8> buttons_ = 0;
};

}  // namespace tandem::devices
