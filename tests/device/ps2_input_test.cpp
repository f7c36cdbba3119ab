// Keys of Linux' codes as scan codes of set 2 (IBM PS/2 hardware interface technical reference, "Keyboard"),
// and the pointer as the mouse's reports.
#include "devices/input/ps2_input.h"

#include <gtest/gtest.h>
#include <linux/input-event-codes.h>

#include "devices/input/key_codes.h"
#include "tests/support/device_bench.h"

namespace tandem::tests {
namespace {

using devices::I8042;
using devices::PointerButton;
using Bytes = std::vector<u8>;

class Ps2InputTest : public testing::Test {
 protected:
  Ps2InputTest() {
    bench.map_ports(0x60, 1, controller.data_port());
    bench.map_ports(0x64, 1, controller.command_port());
    bench.out(0x64, 0x60);
    bench.out(0x60, 0x07);  // interrupts, no translation
  }
  Bytes take() {
    Bytes all;
    while (bench.in(0x64) & 1) all.push_back(static_cast<u8>(bench.in(0x60)));
    return all;
  }
  Bytes key(u16 code, bool pressed) {
    EXPECT_TRUE(input.key(code, pressed));
    return take();
  }

  DeviceBench bench;
  I8042 controller{bench.wires.level_irq(1), bench.wires.level_irq(12), [] {}};
  devices::Ps2Input input{controller};
};

TEST_F(Ps2InputTest, Keys) {
  struct Row {
    u16 code;
    Bytes pressed, released;
  };
  const Row rows[] = {
      {KEY_A, {0x1c}, {0xf0, 0x1c}},
      {KEY_ESC, {0x76}, {0xf0, 0x76}},
      {KEY_1, {0x16}, {0xf0, 0x16}},
      {KEY_ENTER, {0x5a}, {0xf0, 0x5a}},
      {KEY_LEFTSHIFT, {0x12}, {0xf0, 0x12}},
      {KEY_RIGHTSHIFT, {0x59}, {0xf0, 0x59}},
      {KEY_SPACE, {0x29}, {0xf0, 0x29}},
      {KEY_F1, {0x05}, {0xf0, 0x05}},
      {KEY_F7, {0x83}, {0xf0, 0x83}},
      {KEY_F12, {0x07}, {0xf0, 0x07}},
      {KEY_102ND, {0x61}, {0xf0, 0x61}},
      {KEY_KP5, {0x73}, {0xf0, 0x73}},
      {KEY_KPENTER, {0xe0, 0x5a}, {0xe0, 0xf0, 0x5a}},
      {KEY_UP, {0xe0, 0x75}, {0xe0, 0xf0, 0x75}},
      {KEY_DELETE, {0xe0, 0x71}, {0xe0, 0xf0, 0x71}},
      {KEY_RIGHTALT, {0xe0, 0x11}, {0xe0, 0xf0, 0x11}},
      {KEY_LEFTMETA, {0xe0, 0x1f}, {0xe0, 0xf0, 0x1f}},
      {KEY_SYSRQ, {0xe0, 0x12, 0xe0, 0x7c}, {0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12}},
      {KEY_PAUSE, {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77}, {}},
      {KEY_RO, {0x51}, {0xf0, 0x51}},
      {KEY_YEN, {0x6a}, {0xf0, 0x6a}},
      {KEY_HENKAN, {0x64}, {0xf0, 0x64}},
      {KEY_MUHENKAN, {0x67}, {0xf0, 0x67}},
      {KEY_KATAKANAHIRAGANA, {0x13}, {0xf0, 0x13}},
      {KEY_KPCOMMA, {0x6d}, {0xf0, 0x6d}},
      {KEY_HANGEUL, {0xf2}, {}},
      {KEY_HANJA, {0xf1}, {}},
      {KEY_F13, {0x08}, {0xf0, 0x08}},
      {KEY_F24, {0x5f}, {0xf0, 0x5f}},
      {KEY_MUTE, {0xe0, 0x23}, {0xe0, 0xf0, 0x23}},
      {KEY_CAMERA, {}, {}},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(key(row.code, true), row.pressed) << row.code;
    EXPECT_EQ(key(row.code, false), row.released) << row.code;
  }
}

TEST(KeyCodes, SetOneThereAndBack) {
  for (u16 key = KEY_ESC; key < KEY_MAX; ++key) {
    const auto set1 = devices::set1_of(key);
    if (set1 && key != KEY_F24) EXPECT_EQ(devices::key_of(*set1), key);  // F24 shares its code with Japan's
  }
  EXPECT_EQ(devices::key_of({0x1c, false}), KEY_ENTER);
  EXPECT_EQ(devices::key_of({0x1c, true}), KEY_KPENTER);
  EXPECT_FALSE(devices::key_of({0x54, false}));
}

TEST_F(Ps2InputTest, SaysWhenThereIsNoRoom) {
  unsigned taken = 0;
  while (input.key(KEY_UP, true) && taken < 100) ++taken;
  EXPECT_LT(taken, 100u);
  EXPECT_EQ(take().size(), 2 * taken) << "a key is taken whole or not at all";
  EXPECT_TRUE(input.key(KEY_UP, true));
}

TEST_F(Ps2InputTest, Pointer) {
  bench.out(0x64, 0xd4);
  bench.out(0x60, 0xf4);  // the mouse reports
  take();
  input.move(5, 3, 0);
  EXPECT_EQ(take(), (Bytes{0x28, 5, 0xfd})) << "downwards is negative";
  input.button(PointerButton::Right, true);
  EXPECT_EQ(take(), (Bytes{0x0a, 0, 0}));
  input.button(PointerButton::Left, true);
  EXPECT_EQ(take(), (Bytes{0x0b, 0, 0}));
  input.button(PointerButton::Right, false);
  EXPECT_EQ(take(), (Bytes{0x09, 0, 0}));
  EXPECT_FALSE(input.takes_points());
}

}  // namespace
}  // namespace tandem::tests
