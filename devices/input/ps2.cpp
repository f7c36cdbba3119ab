#include "devices/input/ps2.h"

#include <algorithm>

namespace tandem::devices {

namespace {

// IBM PS/2 hardware interface technical reference, "Keyboard" and "Auxiliary device" commands.
constexpr u8 kAck = 0xfa, kResend = 0xfe, kSelfTestPassed = 0xaa, kEcho = 0xee;
constexpr u8 kReset = 0xff, kDefaults = 0xf6, kDisable = 0xf5, kEnable = 0xf4, kSetRate = 0xf3, kGetId = 0xf2;
constexpr u8 kScanSet = 0xf0, kLeds = 0xed;
constexpr u8 kRemote = 0xf0, kWrap = 0xee, kEndWrap = 0xec, kReadData = 0xeb, kStream = 0xea, kStatus = 0xe9,
             kResolution = 0xe8, kScale2 = 0xe7, kScale1 = 0xe6;

constexpr u8 kTranslation[] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54};

}  // namespace

u8 translate_scan_code(u8 set2) {
  if (set2 == 0x83) return 0x41;  // F7
  return set2 < sizeof kTranslation ? kTranslation[set2] : set2;
}

void Ps2Keyboard::reply(std::initializer_list<u8> bytes) { queue.push({bytes.begin(), bytes.size()}); }

u8 Ps2Keyboard::pop() {
  const u8 value = queue.pop();
  if (value != kResend) last = value;
  return value;
}

void Ps2Keyboard::set_defaults() {
  scan_set = 2;
  leds = 0;
  scanning = true;
}

void Ps2Keyboard::argument(u8 value) {
  const u8 of = command;
  command = 0;
  if (of == kLeds) leds = value & 7;
  if (of == kScanSet && value == 0) return reply({kAck, scan_set});
  if (of == kScanSet && value <= 3) scan_set = value;
  reply({kAck});
}

void Ps2Keyboard::write(u8 value) {
  if (command && value < 0xed) return argument(value);
  command = 0;
  switch (value) {
    case kLeds:
    case kScanSet:
    case kSetRate: command = value; return reply({kAck});
    case kEcho: return reply({kEcho});
    case kResend: return reply({last});
    case kGetId: return reply({kAck, 0xab, 0x83});
    case kEnable: scanning = true; return reply({kAck});
    case kDisable:
      set_defaults();
      scanning = false;
      return reply({kAck});
    case kDefaults: set_defaults(); return reply({kAck});
    case kReset:
      set_defaults();
      queue.count = 0;
      return reply({kAck, kSelfTestPassed});
    default: return reply({kResend});
  }
}

void Ps2Mouse::reply(std::initializer_list<u8> bytes) { queue.push({bytes.begin(), bytes.size()}); }

void Ps2Mouse::set_defaults() {
  rate = 100;
  resolution = 2;
  reporting = remote = wrap = scaling = false;
  std::ranges::fill(moved, 0);
}

void Ps2Mouse::argument(u8 value) {
  const u8 of = command;
  command = 0;
  if (of == kResolution) resolution = value & 3;
  if (of == kSetRate) {
    rate = value;
    knocks[0] = knocks[1];
    knocks[1] = knocks[2];
    knocks[2] = value;
    if (knocks[0] == 200 && knocks[1] == 100 && knocks[2] == 80) id = 3;
  }
  reply({kAck});
}

void Ps2Mouse::write(u8 value) {
  if (wrap && value != kReset && value != kEndWrap) return reply({value});
  if (command) return argument(value);
  switch (value) {
    case kScale1: scaling = false; break;
    case kScale2: scaling = true; break;
    case kResolution:
    case kSetRate: command = value; break;
    case kStatus: return reply({kAck, status(), resolution, rate});
    case kStream: remote = false; break;
    case kEndWrap: wrap = false; break;
    case kReadData: return read_data();
    case kWrap: wrap = true; break;
    case kRemote: remote = true; break;
    case kGetId: return reply({kAck, id});
    case kEnable: reporting = true; break;
    case kDisable: reporting = false; break;
    case kDefaults: set_defaults(); break;
    case kReset:
      set_defaults();
      id = 0;
      queue.count = 0;
      return reply({kAck, kSelfTestPassed, 0});
    default: return reply({kResend});
  }
  reply({kAck});
}

// The buttons have another order here than in a report.
u8 Ps2Mouse::status() const {
  const bool left = buttons & 1, right = buttons & 2, middle = buttons & 4;
  return static_cast<u8>((remote ? 0x40 : 0) | (reporting ? 0x20 : 0) | (scaling ? 0x10 : 0) |
                         (left ? 4 : 0) | (middle ? 2 : 0) | (right ? 1 : 0));
}

void Ps2Mouse::read_data() {
  reply({kAck});
  packet(moved[0], moved[1], -std::clamp(moved[2], -8, 7));
  std::ranges::fill(moved, 0);
}

void Ps2Mouse::packet(int dx, int dy, int dz) {
  const u8 bytes[4] = {static_cast<u8>(buttons | 8 | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0)),
                       static_cast<u8>(dx), static_cast<u8>(dy), static_cast<u8>(dz)};
  queue.push({bytes, id == 3 ? 4u : 3u});
}

void Ps2Mouse::move(int dx, int dy, int dz, u8 new_buttons) {
  buttons = new_buttons & 7;
  if (remote) {
    const int by[] = {dx, dy, dz};
    for (unsigned i = 0; i < 3; ++i)
      moved[i] = std::clamp(moved[i] + std::clamp(by[i], -255, 255), -255, 255);
    return;
  }
  if (!reporting) return;
  do {
    const int x = std::clamp(dx, -255, 255), y = std::clamp(dy, -255, 255), z = std::clamp(dz, -8, 7);
    packet(x, y, -z);
    dx -= x;
    dy -= y;
    dz -= z;
  } while ((dx || dy || dz) && queue.count + 4u <= queue.bytes.size());
}

}  // namespace tandem::devices
