// The serial EEPROM of an 82540EM: 64 words behind a Microwire port that software drives bit by bit (Software
// Developer's Manual, 5 and 13.4.3). It can't be written.
#pragma once

#include <array>

#include "core/base/types.h"

namespace tandem::devices::e1000 {

using MacAddress = std::array<u8, 6>;
using EepromWords = std::array<u16, 64>;

// Addresses, identity, and a checksum: all words add up to BABAh.
EepromWords make_eeprom(const MacAddress& mac);

struct Microwire {
  u8 pins = 0;       // as EECD has them
  u32 received = 0;  // bits since the chip was selected, behind a leading 1
  u8 count = 0;
  u16 out = 0;  // what is shifted out, and the next word of a read
  u8 left = 0, next = 0;
  bool reading = false, level = false;  // level of DO
  static void fields(auto& a, auto& s) {
    a(s.pins, s.received, s.count, s.out, s.left, s.next, s.reading, s.level);
  }
  bool valid() const { return left <= 16 && next < 64 && count <= 9; }

  // Bits 0..3 of EECD: clock, select, data in, data out.
  void write(u8 value, const EepromWords& words);
  u8 read() const;

 private:
  void clock_rises(bool data_in, const EepromWords& words);
};

}  // namespace tandem::devices::e1000
