// What hangs on an i8042: a keyboard and a mouse. Plain state machines, guarded by the controller's lock.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "core/base/types.h"

namespace tandem::devices {

// Bytes on their way to the host computer.
struct Ps2Queue {
  std::array<u8, 32> bytes{};
  u8 head = 0, count = 0;
  static void fields(auto& a, auto& s) { a(s.bytes, s.head, s.count); }
  bool valid() const { return head < bytes.size() && count <= bytes.size(); }
  // All or nothing; false: no room.
  bool push(std::span<const u8> all) {
    if (count + all.size() > bytes.size()) return false;
    for (u8 b : all) bytes[(head + count++) % bytes.size()] = b;
    return true;
  }
  u8 pop() {
    const u8 b = bytes[head];
    head = static_cast<u8>((head + 1) % bytes.size());
    --count;
    return b;
  }
};

struct Ps2Keyboard {
  static constexpr unsigned kKeyBytes = 16;  // of the queue; the rest is for answers
  Ps2Queue queue;
  u8 command = 0;  // waits for its argument, 0 = none
  u8 leds = 0, scan_set = 2;
  u8 last = 0;  // sent, for resending
  bool scanning = true;
  static void fields(auto& a, auto& s) { a(s.queue, s.command, s.leds, s.scan_set, s.last, s.scanning); }
  bool valid() const { return queue.valid() && scan_set >= 1 && scan_set <= 3; }
  void write(u8 value);
  bool key(std::span<const u8> set2_codes) {
    return scanning && queue.count + set2_codes.size() <= kKeyBytes && queue.push(set2_codes);
  }
  u8 pop();

 private:
  void reply(std::initializer_list<u8> bytes);
  void argument(u8 value);
  void set_defaults();
};

struct Ps2Mouse {
  Ps2Queue queue;
  u8 command = 0;
  u8 rate = 100, resolution = 2, buttons = 0;
  u8 knocks[3] = {};  // the last sample rates: 200, 100, 80 turns the wheel on
  u8 id = 0;          // 3 with wheel
  bool reporting = false, remote = false, wrap = false, scaling = false;
  i32 moved[3] = {};  // in remote mode, since the last report: right, up, wheel
  static void fields(auto& a, auto& s) {
    a(s.queue, s.command, s.rate, s.resolution, s.buttons, s.knocks, s.id, s.reporting, s.remote, s.wrap,
      s.scaling, s.moved);
  }
  bool valid() const {
    for (i32 m : moved)
      if (m < -255 || m > 255) return false;
    return queue.valid();
  }
  void write(u8 value);
  // Movement to the right, up and of the wheel; buttons: bit 0 left, 1 right, 2 middle.
  void move(int dx, int dy, int dz, u8 new_buttons);

 private:
  void reply(std::initializer_list<u8> bytes);
  void argument(u8 value);
  u8 status() const;
  void read_data();
  void packet(int dx, int dy, int dz);
  void set_defaults();
};

// Scan code set 2 to set 1, as the controller does it.
u8 translate_scan_code(u8 set2);

}  // namespace tandem::devices
