// i8042 keyboard controller with a keyboard and a mouse.
#pragma once

#include <functional>
#include <mutex>

#include "core/irq/line.h"
#include "core/machine/device.h"
#include "devices/input/ps2.h"

namespace tandem::devices {

struct I8042State {
  u8 mode = 0x45;         // command byte: keyboard interrupt, self-test passed, translation
  u8 output_port = 0x03;  // A20 on, no reset
  u8 command = 0;         // waits for its data byte
  bool command_last = false;
  bool full = false, from_mouse = false;
  u8 output = 0;
  bool break_prefix = false;  // translation has seen 0xf0
  Ps2Queue replies;           // of the controller itself
  Ps2Keyboard keyboard;
  Ps2Mouse mouse;
  static void fields(auto& a, auto& s) {
    a(s.mode, s.output_port, s.command, s.command_last, s.full, s.from_mouse, s.output, s.break_prefix,
      s.replies, s.keyboard, s.mouse);
  }
  bool valid() const { return replies.valid() && keyboard.valid() && mouse.valid(); }
};

class I8042 final : public machine::Device {
 public:
  I8042(irq::LevelIrq keyboard_irq, irq::LevelIrq mouse_irq, std::function<void()> reset_request);

  bus::IoHandler& data_port() { return data_port_; }        // 1 port
  bus::IoHandler& command_port() { return command_port_; }  // 1 port

  // From a display or a script. [any-thread]
  bool key(std::span<const u8> set2_codes);  // false: no room, nothing happened
  void mouse(int dx, int dy, int dz, u8 buttons);

  std::string_view name() const override { return "i8042"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  void data_io(bus::IoAccess& access);
  void command_io(bus::IoAccess& access);
  u8 status() const;
  bool write_command(u8 value);  // true: the guest asks for a reset
  bool write_data(u8 value);
  void reply(u8 value);
  void fill_output();
  void update_irq();

  irq::LevelIrq keyboard_irq_, mouse_irq_;
  std::function<void()> reset_request_;
  mutable std::mutex mutex_;
  I8042State state_;
  bus::IoMember<I8042> data_port_, command_port_;
};

}  // namespace tandem::devices
