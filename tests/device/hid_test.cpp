// USB keyboard and tablet. Sections: Universal Serial Bus Specification 2.0, chapter 9; Device Class
// Definition for Human Interface Devices 1.11; HID Usage Tables 1.12.
#include <gtest/gtest.h>
#include <linux/input-event-codes.h>

#include "core/base/bits.h"
#include "devices/usb/usb_keyboard.h"
#include "devices/usb/usb_tablet.h"

namespace tandem::tests {
namespace {

using namespace devices;
using Bytes = std::vector<u8>;

struct Asked {
  UsbStatus status;
  Bytes data;
};
Asked ask(UsbDevice& d, u8 type, u8 request, u16 value, u16 index, u16 length) {
  Bytes data(length);
  const UsbResult r = d.control({type, request, value, index, length}, data);
  data.resize(r.bytes);
  return {r.status, data};
}
Bytes descriptor(UsbDevice& d, u16 which, u16 length = 255, u8 type = 0x80) {
  return ask(d, type, 6, which, 0, length).data;
}
void configure(UsbDevice& d) { ASSERT_EQ(ask(d, 0, 9, 1, 0, 0).status, UsbStatus::Ok); }
// The next report; empty: there is none.
Bytes report(UsbDevice& d) {
  Bytes data(8);
  const UsbResult r = d.in(1, data);
  EXPECT_NE(r.status, UsbStatus::Stall);
  data.resize(r.status == UsbStatus::Ok ? r.bytes : 0);
  return data;
}

// Interprets a report descriptor so far as to count bits (HID 1.11, 6.2.2).
unsigned input_bits(const Bytes& d) {
  unsigned size = 0, count = 0, total = 0;
  for (std::size_t i = 0; i < d.size();) {
    const u8 prefix = d[i];
    const unsigned n = (prefix & 3) == 3 ? 4 : prefix & 3;
    const u32 value = n >= 1 ? d[i + 1] : 0;
    if ((prefix & 0xfc) == 0x74) size = value;
    if ((prefix & 0xfc) == 0x94) count = value;
    if ((prefix & 0xfc) == 0x80) total += size * count;
    i += 1 + n;
  }
  return total;
}

template <class T>
class Hid : public testing::Test {
 protected:
  T device;
};
using Kinds = testing::Types<UsbKeyboard, UsbTablet>;
TYPED_TEST_SUITE(Hid, Kinds);

// 9.6: each descriptor has the length it says, and they agree with each other.
TYPED_TEST(Hid, Descriptors) {
  const Bytes device = descriptor(this->device, 0x0100);
  ASSERT_EQ(device.size(), 18u);
  EXPECT_EQ(device[0], 18);
  EXPECT_EQ(device[7], 8);
  const Bytes all = descriptor(this->device, 0x0200);
  EXPECT_EQ(load_le<u16>(&all[2]), all.size());
  std::vector<u8> types;
  for (std::size_t at = 0; at < all.size(); at += all[at]) types.push_back(all[at + 1]);
  EXPECT_EQ(types, (std::vector<u8>{2, 4, 0x21, 5}));
  const Bytes hid(all.begin() + 18, all.begin() + 27);
  EXPECT_EQ(descriptor(this->device, 0x2100, 255, 0x81), hid);
  const Bytes reports = descriptor(this->device, 0x2200, 255, 0x81);
  EXPECT_EQ(load_le<u16>(&hid[7]), reports.size());
  EXPECT_EQ(input_bits(reports), 8u * all[27 + 4]);
  EXPECT_EQ(descriptor(this->device, 0x0200, 9), Bytes(all.begin(), all.begin() + 9));
  EXPECT_EQ(descriptor(this->device, 0x0300), (Bytes{4, 3, 9, 4}));
  EXPECT_EQ(descriptor(this->device, 0x0301)[0], descriptor(this->device, 0x0301).size());
}

TYPED_TEST(Hid, WhatItDoesNotHave) {
  EXPECT_EQ(ask(this->device, 0x80, 6, 0x0600, 0, 10).status, UsbStatus::Stall);  // another speed
  EXPECT_EQ(ask(this->device, 0x80, 6, 0x0309, 0, 10).status, UsbStatus::Stall);
  EXPECT_EQ(ask(this->device, 0x80, 6, 0x0201, 0, 10).status, UsbStatus::Stall);
  EXPECT_EQ(ask(this->device, 0x00, 9, 2, 0, 0).status, UsbStatus::Stall);
  EXPECT_EQ(ask(this->device, 0x01, 11, 1, 0, 0).status, UsbStatus::Stall);
  EXPECT_EQ(ask(this->device, 0x40, 1, 0, 0, 0).status, UsbStatus::Stall);
  EXPECT_EQ(ask(this->device, 0x80, 12, 0, 0, 2).status, UsbStatus::Stall);
  Bytes data(8);
  EXPECT_EQ(this->device.out(1, data).status, UsbStatus::Stall);
  configure(this->device);
  EXPECT_EQ(this->device.in(2, data).status, UsbStatus::Stall);
}

// 9.1.1: configured, and back by a reset of the bus.
TYPED_TEST(Hid, States) {
  Bytes data(8);
  EXPECT_EQ(this->device.in(1, data).status, UsbStatus::Stall);
  EXPECT_EQ(ask(this->device, 0x80, 8, 0, 0, 1).data, Bytes{0});
  configure(this->device);
  EXPECT_EQ(ask(this->device, 0x80, 8, 0, 0, 1).data, Bytes{1});
  EXPECT_EQ(this->device.in(1, data).status, UsbStatus::Nak);
  EXPECT_FALSE(this->device.in_use());
  this->device.listened_to(1, true);
  EXPECT_TRUE(this->device.in_use());
  this->device.reset();
  EXPECT_FALSE(this->device.in_use());
  EXPECT_EQ(ask(this->device, 0x80, 8, 0, 0, 1).data, Bytes{0});
}

TYPED_TEST(Hid, Features) {
  configure(this->device);
  EXPECT_EQ(ask(this->device, 0x80, 0, 0, 0, 2).data, (Bytes{0, 0}));
  EXPECT_EQ(ask(this->device, 0x00, 3, 1, 0, 0).status, UsbStatus::Ok);  // may wake the host
  EXPECT_EQ(ask(this->device, 0x80, 0, 0, 0, 2).data, (Bytes{2, 0}));
  EXPECT_EQ(ask(this->device, 0x02, 3, 0, 0x81, 0).status, UsbStatus::Ok);  // halted
  EXPECT_EQ(ask(this->device, 0x82, 0, 0, 0x81, 2).data, (Bytes{1, 0}));
  Bytes data(8);
  EXPECT_EQ(this->device.in(1, data).status, UsbStatus::Stall);
  EXPECT_EQ(ask(this->device, 0x02, 1, 0, 0x81, 0).status, UsbStatus::Ok);
  EXPECT_EQ(this->device.in(1, data).status, UsbStatus::Nak);
}

// HID 1.11, 7.2
TYPED_TEST(Hid, ClassRequests) {
  EXPECT_EQ(ask(this->device, 0xa1, 3, 0, 0, 1).data, Bytes{1});
  EXPECT_EQ(ask(this->device, 0x21, 11, 0, 0, 0).status, UsbStatus::Ok);
  EXPECT_EQ(ask(this->device, 0xa1, 3, 0, 0, 1).data, Bytes{0});
  EXPECT_EQ(ask(this->device, 0x21, 10, 0x7d00, 0, 0).status, UsbStatus::Ok);
  EXPECT_EQ(ask(this->device, 0xa1, 2, 0, 0, 1).data, Bytes{0x7d});
}

TYPED_TEST(Hid, ComesBackWithItsState) {
  configure(this->device);
  this->device.listened_to(1, true);
  snapshot::StateWriter writer;
  writer.begin_section("hid", 1);
  this->device.save(writer);
  writer.end_section();
  TypeParam other;
  auto reader = snapshot::StateReader::open(writer.finish());
  ASSERT_TRUE(reader.value().begin_section("hid", 1));
  const auto take = other.load(reader.value());
  ASSERT_TRUE(reader.value().end_section());
  EXPECT_FALSE(other.in_use());
  take();
  EXPECT_TRUE(other.in_use());
}

TEST(Keyboard, Reports) {
  UsbKeyboard k;
  configure(k);
  EXPECT_TRUE(k.key(KEY_LEFTSHIFT, true));
  EXPECT_TRUE(k.key(KEY_A, true));
  EXPECT_TRUE(k.key(KEY_A, true));  // repeated: no report
  EXPECT_TRUE(k.key(KEY_RIGHTALT, true));
  EXPECT_TRUE(k.key(KEY_ENTER, true));
  EXPECT_TRUE(k.key(KEY_A, false));
  EXPECT_EQ(report(k), (Bytes{0x02, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(report(k), (Bytes{0x02, 0, 0x04, 0, 0, 0, 0, 0}));
  EXPECT_EQ(report(k), (Bytes{0x42, 0, 0x04, 0, 0, 0, 0, 0}));
  EXPECT_EQ(report(k), (Bytes{0x42, 0, 0x04, 0x28, 0, 0, 0, 0}));
  EXPECT_EQ(report(k), (Bytes{0x42, 0, 0x28, 0, 0, 0, 0, 0}));
  EXPECT_EQ(report(k), Bytes{});
  EXPECT_EQ(ask(k, 0xa1, 1, 0x0100, 0, 8).data, (Bytes{0x42, 0, 0x28, 0, 0, 0, 0, 0}));
}

// Appendix C: a phantom state where more keys are pressed than have a place.
TEST(Keyboard, TooManyKeys) {
  UsbKeyboard k;
  configure(k);
  for (const u16 code : {KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G}) k.key(code, true);
  Bytes last;
  for (Bytes r = report(k); !r.empty(); r = report(k)) last = r;
  EXPECT_EQ(last, (Bytes{0, 0, 1, 1, 1, 1, 1, 1}));
  k.key(KEY_A, false);
  EXPECT_EQ(report(k), (Bytes{0, 0, 5, 6, 7, 8, 9, 10}));
}

TEST(Keyboard, NoRoom) {
  UsbKeyboard k;
  configure(k);
  unsigned taken = 0;
  while (taken < 100 && k.key(KEY_A, taken % 2 == 0)) ++taken;
  EXPECT_EQ(taken, HidDevice::kMaxWaiting);
  report(k);
  EXPECT_TRUE(k.key(KEY_A, taken % 2 == 0));
  EXPECT_TRUE(k.key(KEY_RESERVED, true));  // no key: nothing to say
}

TEST(Keyboard, Leds) {
  UsbKeyboard k;
  Bytes leds{5};
  k.control({0x21, 9, 0x0200, 0, 1}, leds);
  EXPECT_EQ(k.leds(), 5);
}

// HID Usage Tables 1.12, chapter 10: a few of each group.
TEST(Keyboard, Usages) {
  const std::pair<u16, u8> rows[] = {
      {KEY_Z, 0x1d},         {KEY_1, 0x1e},         {KEY_0, 0x27},      {KEY_SPACE, 0x2c},
      {KEY_BACKSLASH, 0x31}, {KEY_F12, 0x45},       {KEY_INSERT, 0x49}, {KEY_UP, 0x52},
      {KEY_KPENTER, 0x58},   {KEY_KP0, 0x62},       {KEY_102ND, 0x64},  {KEY_F24, 0x73},
      {KEY_LEFTCTRL, 0xe0},  {KEY_RIGHTMETA, 0xe7}, {KEY_SYSRQ, 0x46},  {KEY_COMPOSE, 0x65},
      {KEY_CAPSLOCK, 0x39},  {KEY_NUMLOCK, 0x53},   {KEY_RESERVED, 0},  {BTN_LEFT, 0}};
  for (const auto& [code, usage] : rows) EXPECT_EQ(usage_of_key(code), usage) << code;
}

TEST(Keyboard, WakesTheHost) {
  UsbKeyboard k;
  configure(k);
  k.key(KEY_A, true);
  EXPECT_FALSE(k.wakes());
  ask(k, 0x00, 3, 1, 0, 0);
  EXPECT_TRUE(k.wakes());
  report(k);
  EXPECT_FALSE(k.wakes());
}

TEST(Tablet, Reports) {
  UsbTablet t;
  configure(t);
  t.point(0x1234, 0x7fff);
  EXPECT_EQ(report(t), (Bytes{0, 0x34, 0x12, 0xff, 0x7f, 0}));
  t.button(PointerButton::Left, true);
  t.button(PointerButton::Middle, true);
  t.wheel(-3);
  t.wheel(1000);
  EXPECT_EQ(report(t), (Bytes{1, 0x34, 0x12, 0xff, 0x7f, 0}));
  EXPECT_EQ(report(t), (Bytes{5, 0x34, 0x12, 0xff, 0x7f, 0}));
  EXPECT_EQ(report(t), (Bytes{5, 0x34, 0x12, 0xff, 0x7f, 0xfd}));
  EXPECT_EQ(report(t), (Bytes{5, 0x34, 0x12, 0xff, 0x7f, 0x7f}));
  t.point(99999, 0);
  EXPECT_EQ(report(t), (Bytes{5, 0xff, 0x7f, 0, 0, 0}));
}

// Places that nobody has fetched give way to newer ones; where a button was pressed stays.
TEST(Tablet, PlacesMerge) {
  UsbTablet t;
  configure(t);
  t.point(1, 1);
  t.point(2, 2);
  t.button(PointerButton::Left, true);
  t.point(3, 3);
  t.point(4, 4);
  EXPECT_EQ(report(t), (Bytes{0, 2, 0, 2, 0, 0}));
  EXPECT_EQ(report(t), (Bytes{1, 2, 0, 2, 0, 0}));
  EXPECT_EQ(report(t), (Bytes{1, 4, 0, 4, 0, 0}));
  EXPECT_EQ(report(t), Bytes{});
}

TEST(Tablet, NeverFull) {
  UsbTablet t;
  configure(t);
  for (unsigned i = 0; i < 100; ++i) t.button(PointerButton::Right, i % 2 == 0);
  Bytes last;
  unsigned count = 0;
  for (Bytes r = report(t); !r.empty(); r = report(t), ++count) last = r;
  EXPECT_EQ(count, HidDevice::kMaxWaiting);
  EXPECT_EQ(last[0], 0);
}

}  // namespace
}  // namespace tandem::tests
