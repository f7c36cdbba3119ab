#include "devices/net/e1000_eeprom.h"

#include "core/base/bits.h"

namespace tandem::devices::e1000 {

namespace {

constexpr u8 kClock = 1, kSelect = 2, kDataIn = 4, kDataOut = 8;
// 93C46: a start bit, two bits of operation, six of address.
constexpr u8 kCommandBits = 9, kAddressBits = 6;
constexpr u32 kStartAndRead = 6;  // 1, 10b

}  // namespace

EepromWords make_eeprom(const MacAddress& mac) {
  constexpr unsigned kControl1 = 0x0a, kSubsystem = 0x0b, kSubsystemVendor = 0x0c, kDevice = 0x0d,
                     kVendor = 0x0e, kControl2 = 0x0f, kChecksum = 0x3f;
  constexpr u16 kSum = 0xbaba;
  EepromWords words{};
  for (unsigned i = 0; i < 3; ++i) words[i] = load_le<u16>(&mac[2 * i]);
  words[kControl1] = 0x4408;  // signature; gigabit
  words[kSubsystem] = 0x001e;
  words[kSubsystemVendor] = words[kVendor] = 0x8086;
  words[kDevice] = 0x100e;
  words[kControl2] = 0x3040;
  u16 sum = 0;
  for (const u16 w : words) sum = static_cast<u16>(sum + w);
  words[kChecksum] = static_cast<u16>(kSum - sum);
  return words;
}

void Microwire::clock_rises(bool data_in, const EepromWords& words) {
  if (!reading) {
    if (count == 0 && !data_in) return;  // waits for the start bit
    received = received << 1 | data_in;
    if (++count < kCommandBits) return;
    reading = received >> kAddressBits == kStartAndRead;
    next = static_cast<u8>(bits(received, kAddressBits - 1, 0));
    level = !reading;  // a 0 leads the data; other operations are done at once
    count = 0;
    received = 0;
    return;
  }
  if (left == 0) {  // a read goes on to the next word
    out = words[next];
    next = (next + 1) % words.size();
    left = 16;
  }
  level = bit(out, --left);
}

void Microwire::write(u8 value, const EepromWords& words) {
  const u8 before = pins;
  pins = value & (kClock | kSelect | kDataIn);
  if (!(pins & kSelect)) {
    const u8 kept = pins;
    *this = {};
    pins = kept;
    return;
  }
  if ((pins & kClock) && !(before & kClock)) clock_rises(pins & kDataIn, words);
}

u8 Microwire::read() const { return static_cast<u8>(pins | (level ? kDataOut : 0)); }

}  // namespace tandem::devices::e1000
