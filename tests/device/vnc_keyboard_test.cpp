// A viewer's keysyms (X11/keysymdef.h) as keys of a guest with a US keyboard.
#include "devices/backend/vnc/vnc_keyboard.h"

#include <gtest/gtest.h>
#include <linux/input-event-codes.h>

#include <vector>

namespace tandem::tests {
namespace {

using Events = std::vector<std::pair<u16, bool>>;

class Keys final : public devices::InputSink {
 public:
  bool key(u16 code, bool pressed) override {
    if (full) return false;
    events.emplace_back(code, pressed);
    return true;
  }
  void button(devices::PointerButton, bool) override {}
  void move(i32, i32, i32) override {}
  void point(u32, u32) override {}
  bool takes_points() const override { return false; }

  bool full = false;
  Events events;
};

constexpr u32 kShiftL = 0xffe1, kShiftR = 0xffe2, kControlL = 0xffe3, kCapsLock = 0xffe5;

class VncKeyboardTest : public testing::Test {
 protected:
  // The keysyms in their order: positive pressed, negative released.
  Events events(std::initializer_list<i64> keysyms) {
    keys.events.clear();
    for (const i64 k : keysyms) keyboard.keysym(static_cast<u32>(k < 0 ? -k : k), k > 0);
    return keys.events;
  }
  Keys keys;
  devices::VncKeyboard keyboard{keys};
};

TEST_F(VncKeyboardTest, Plain) {
  EXPECT_EQ(events({'a', -'a'}), (Events{{KEY_A, true}, {KEY_A, false}}));
  EXPECT_EQ(events({0xff0d, -0xff0d}), (Events{{KEY_ENTER, true}, {KEY_ENTER, false}}));
  EXPECT_EQ(events({0xffc9, -0xffc9}), (Events{{KEY_F12, true}, {KEY_F12, false}}));
  EXPECT_EQ(events({0xffaf, 0xff95}), (Events{{KEY_KPSLASH, true}, {KEY_KP7, true}}));
  EXPECT_EQ(events({0xe4, -0xe4}), Events{}) << "a US keyboard has no such key";
  EXPECT_EQ(events({-'x'}), Events{}) << "what is not pressed does not come up";
}

TEST_F(VncKeyboardTest, ShiftAsTheViewerHasIt) {
  EXPECT_EQ(events({kShiftL, 'A', -'A', -i64{kShiftL}}),
            (Events{{KEY_LEFTSHIFT, true}, {KEY_A, true}, {KEY_A, false}, {KEY_LEFTSHIFT, false}}));
}

TEST_F(VncKeyboardTest, ShiftThatTheCharacterNeeds) {
  EXPECT_EQ(events({'A', -'A'}),
            (Events{{KEY_LEFTSHIFT, true}, {KEY_A, true}, {KEY_LEFTSHIFT, false}, {KEY_A, false}}));
  // German: Shift and 7 make a slash.
  EXPECT_EQ(events({kShiftR, '/', -'/', -i64{kShiftR}}), (Events{{KEY_RIGHTSHIFT, true},
                                                                 {KEY_RIGHTSHIFT, false},
                                                                 {KEY_SLASH, true},
                                                                 {KEY_RIGHTSHIFT, true},
                                                                 {KEY_SLASH, false},
                                                                 {KEY_RIGHTSHIFT, false}}));
}

TEST_F(VncKeyboardTest, CommandsAreKeysNotCharacters) {
  EXPECT_EQ(events({kControlL, 'C', -'C', -i64{kControlL}}),
            (Events{{KEY_LEFTCTRL, true}, {KEY_C, true}, {KEY_C, false}, {KEY_LEFTCTRL, false}}));
}

TEST_F(VncKeyboardTest, CapsLockMakesLettersAlone) {
  events({kCapsLock, -i64{kCapsLock}});
  EXPECT_EQ(events({'A', -'A'}), (Events{{KEY_A, true}, {KEY_A, false}}));
  EXPECT_EQ(events({'1', -'1'}), (Events{{KEY_1, true}, {KEY_1, false}}));
}

TEST_F(VncKeyboardTest, ReleaseFindsItsKeyWithoutShift) {
  events({kShiftL, '!', -i64{kShiftL}});
  EXPECT_EQ(events({-'1'}), (Events{{KEY_1, false}}));
}

TEST_F(VncKeyboardTest, PlacesBehindTheLayout) {
  keyboard.scan_code(0x2c, 'y', true);
  keyboard.scan_code(0xc8, 0xff52, true);  // E0h 48h
  keyboard.scan_code(0xc6, 0xff13, true);
  keyboard.scan_code(0, 'q', true);  // the viewer does not know
  EXPECT_EQ(keys.events, (Events{{KEY_Z, true}, {KEY_UP, true}, {KEY_PAUSE, true}, {KEY_Q, true}}));
}

TEST_F(VncKeyboardTest, WhatTheGuestHasNoRoomForComesLater) {
  keys.full = true;
  events({'a', -'a', 'b'});
  keys.full = false;
  keyboard.send_waiting();
  EXPECT_EQ(keys.events, (Events{{KEY_A, true}, {KEY_A, false}, {KEY_B, true}}));
  keyboard.release_all();
  EXPECT_EQ(keys.events.back(), (std::pair<u16, bool>{KEY_B, false}));
}

}  // namespace
}  // namespace tandem::tests
