// i8042 with keyboard and mouse. Sections: IBM PS/2 hardware interface technical reference (1988), "Keyboard
// and auxiliary device controller", "Keyboard", "Auxiliary device".
#include "devices/input/i8042.h"

#include <gtest/gtest.h>

#include "tests/support/device_bench.h"

namespace tandem::tests {
namespace {

using devices::I8042;
using Bytes = std::vector<u8>;

constexpr u16 kData = 0x60, kCommand = 0x64;
constexpr unsigned kKeyboardWire = 1, kMouseWire = 12;
constexpr u8 kFull = 0x01, kSystem = 0x04, kCommandLast = 0x08, kUnlocked = 0x10, kFromMouse = 0x20;
constexpr u8 kAck = 0xfa, kResend = 0xfe;
constexpr u8 kBothIrqs = 0x47, kNoTranslation = 0x07;

class I8042Test : public testing::Test {
 protected:
  I8042Test() {
    bench.map_ports(kData, 1, controller.data_port());
    bench.map_ports(kCommand, 1, controller.command_port());
    command(0x60, kBothIrqs);
  }
  void command(u8 value) { bench.out(kCommand, value); }
  void command(u8 value, u8 data) {
    command(value);
    bench.out(kData, data);
  }
  u8 status() { return static_cast<u8>(bench.in(kCommand)); }
  // All that is in the output buffer, or comes into it.
  Bytes take() {
    Bytes all;
    while (status() & kFull) all.push_back(static_cast<u8>(bench.in(kData)));
    return all;
  }
  Bytes ask(u8 value) {
    command(value);
    return take();
  }
  Bytes keyboard(std::initializer_list<u8> bytes) {
    for (u8 b : bytes) bench.out(kData, b);
    return take();
  }
  Bytes mouse(std::initializer_list<u8> bytes) {
    for (u8 b : bytes) command(0xd4, b);
    return take();
  }
  void key(Bytes codes) { controller.key(codes); }

  DeviceBench bench;
  unsigned resets = 0;
  I8042 controller{bench.wires.level_irq(kKeyboardWire), bench.wires.level_irq(kMouseWire),
                   [this] { ++resets; }};
};

// "Controller commands" with an answer.
TEST_F(I8042Test, ControllerAnswers) {
  struct Row {
    const char* name;
    u8 command;
    u8 answer;
  };
  for (const Row& row : {Row{"self test", 0xaa, 0x55}, Row{"keyboard interface test", 0xab, 0x00},
                         Row{"mouse interface test", 0xa9, 0x00}, Row{"command byte", 0x20, kBothIrqs},
                         Row{"output port", 0xd0, 0x03}}) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(ask(row.command), Bytes{row.answer});
    EXPECT_FALSE(status() & kFull);
  }
}

// "Status register".
TEST_F(I8042Test, StatusBits) {
  EXPECT_EQ(status(), kUnlocked | kSystem);
  command(0xaa);
  EXPECT_EQ(status(), kUnlocked | kSystem | kCommandLast | kFull);
  EXPECT_EQ(bench.in(kData), 0x55u);
  EXPECT_EQ(status(), kUnlocked | kSystem | kCommandLast);
  bench.out(kData, 0xf4);
  EXPECT_EQ(status(), kUnlocked | kSystem | kFull);
  bench.in(kData);
  command(0xd4, 0xf4);
  EXPECT_EQ(status(), kUnlocked | kSystem | kFull | kFromMouse);
}

// "Command byte": bit 2 is the system flag, 0 and 1 enable interrupts, 4 and 5 stop the devices.
TEST_F(I8042Test, CommandByte) {
  command(0x60, 0x00);
  EXPECT_FALSE(status() & kSystem);
  EXPECT_EQ(ask(0x20), Bytes{0x00});
  bench.out(kData, 0xee);
  EXPECT_TRUE(status() & kFull);
  EXPECT_FALSE(bench.wires.level(kKeyboardWire));
  command(0x60, 0x01);
  EXPECT_TRUE(bench.wires.level(kKeyboardWire));
  EXPECT_FALSE(bench.wires.level(kMouseWire));
  bench.in(kData);
  EXPECT_FALSE(bench.wires.level(kKeyboardWire));
}

TEST_F(I8042Test, InterruptOfEachByte) {
  key({0x1c, 0x32});
  EXPECT_EQ(bench.wires.take_edges(kKeyboardWire), 1u);
  bench.in(kData);
  EXPECT_EQ(bench.wires.take_edges(kKeyboardWire), 1u) << "the next byte is an edge of its own";
  bench.in(kData);
  EXPECT_FALSE(bench.wires.level(kKeyboardWire));
  command(0xd4, 0xf4);
  EXPECT_TRUE(bench.wires.level(kMouseWire));
  EXPECT_FALSE(bench.wires.level(kKeyboardWire));
}

TEST_F(I8042Test, DisabledDevicesWait) {
  command(0xad);
  EXPECT_EQ(ask(0x20), Bytes{kBothIrqs | 0x10});
  key({0x1c});
  EXPECT_FALSE(status() & kFull);
  command(0xae);
  EXPECT_EQ(take(), Bytes{0x1e});
  mouse({0xf4});
  command(0xa7);
  EXPECT_EQ(ask(0x20), Bytes{kBothIrqs | 0x20});
  controller.mouse(1, 0, 0, 0);
  EXPECT_FALSE(status() & kFull);
  command(0xa8);
  EXPECT_EQ(take(), (Bytes{0x08, 1, 0}));
}

// "Write keyboard output buffer", "Write auxiliary device output buffer".
TEST_F(I8042Test, BytesAsFromADevice) {
  command(0xd2, 0x5a);
  EXPECT_EQ(status() & (kFull | kFromMouse), kFull);
  EXPECT_TRUE(bench.wires.level(kKeyboardWire));
  EXPECT_EQ(take(), Bytes{0x5a});
  command(0xd3, 0xa5);
  EXPECT_EQ(status() & (kFull | kFromMouse), kFull | kFromMouse);
  EXPECT_TRUE(bench.wires.level(kMouseWire));
  EXPECT_EQ(take(), Bytes{0xa5});
  command(0xa7);  // the mouse's interface is off: the byte comes from the controller all the same
  command(0xd3, 0xf0);
  EXPECT_EQ(status() & (kFull | kFromMouse), kFull | kFromMouse);
  EXPECT_EQ(take(), Bytes{0xf0});
}

// "Output port": bit 0 is the system's reset, bit 1 A20; commands F0h to FFh pulse its low bits.
TEST_F(I8042Test, OutputPort) {
  command(0xd1, 0x01);
  EXPECT_EQ(ask(0xd0), Bytes{0x01});
  command(0xdf);
  EXPECT_EQ(ask(0xd0), Bytes{0x03});
  command(0xdd);
  EXPECT_EQ(ask(0xd0), Bytes{0x01});
  EXPECT_EQ(resets, 0u);
}

TEST_F(I8042Test, WaysToReset) {
  struct Row {
    const char* name;
    u8 command;
    unsigned resets;
  };
  for (const Row& row : {Row{"pulse of bit 0", 0xfe, 1}, Row{"pulse of all", 0xf0, 1},
                         Row{"pulse of none", 0xff, 0}, Row{"pulse of A20", 0xfd, 0}}) {
    SCOPED_TRACE(row.name);
    resets = 0;
    command(row.command);
    EXPECT_EQ(resets, row.resets);
  }
  resets = 0;
  command(0xd1, 0x02);
  EXPECT_EQ(resets, 1u) << "bit 0 of the output port";
}

TEST_F(I8042Test, ResetState) {
  command(0x60, 0x00);
  key({0x1c});
  controller.reset(machine::ResetKind::System);
  EXPECT_FALSE(status() & kFull);
  EXPECT_EQ(ask(0x20), Bytes{0x45});
}

struct Dialogue {
  const char* name;
  std::initializer_list<u8> to;
  Bytes from;
};

// "Keyboard", commands from the system.
TEST_F(I8042Test, KeyboardCommands) {
  command(0x60, kNoTranslation);
  const Dialogue rows[] = {
      {"reset", {0xff}, {kAck, 0xaa}},
      {"identify", {0xf2}, {kAck, 0xab, 0x83}},
      {"echo", {0xee}, {0xee}},
      {"indicators", {0xed, 0x07}, {kAck, kAck}},
      {"indicators, then another command", {0xed, 0xee}, {kAck, 0xee}},
      {"rate", {0xf3, 0x20}, {kAck, kAck}},
      {"scan code set", {0xf0, 0x00}, {kAck, kAck, 0x02}},
      {"another scan code set", {0xf0, 0x01, 0xf0, 0x00}, {kAck, kAck, kAck, kAck, 0x01}},
      {"defaults", {0xf6}, {kAck}},
      {"the usual scan code set again", {0xf0, 0x00}, {kAck, kAck, 0x02}},
      {"enable", {0xf4}, {kAck}},
      {"unknown", {0xe0}, {kResend}},
  };
  for (const Dialogue& row : rows) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(keyboard(row.to), row.from);
  }
}

TEST_F(I8042Test, IdentityIsTranslatedToo) { EXPECT_EQ(keyboard({0xf2}), (Bytes{kAck, 0xab, 0x41})); }

// "Resend": the last byte sent that was not this answer.
TEST_F(I8042Test, KeyboardRepeats) {
  command(0x60, kNoTranslation);
  key({0x1c});
  EXPECT_EQ(take(), Bytes{0x1c});
  EXPECT_EQ(keyboard({0xfe}), Bytes{0x1c});
  EXPECT_EQ(keyboard({0xf2}), (Bytes{kAck, 0xab, 0x83}));
  EXPECT_EQ(keyboard({0xfe}), Bytes{0x83});
  EXPECT_EQ(keyboard({0xe0}), Bytes{kResend});
  EXPECT_EQ(keyboard({0xfe}), Bytes{0x83});
}

TEST_F(I8042Test, KeyboardStopsScanning) {
  EXPECT_EQ(keyboard({0xf5}), Bytes{kAck});
  key({0x1c});
  EXPECT_EQ(take(), Bytes{});
  EXPECT_EQ(keyboard({0xf4}), Bytes{kAck});
  key({0x1c});
  EXPECT_EQ(take(), Bytes{0x1e});
}

// The buffer holds 16 bytes of keys; answers to commands have a place however many keys wait.
TEST_F(I8042Test, FullKeyBufferStillAnswers) {
  for (unsigned i = 0; i < 40; ++i) key({0x1c});
  bench.out(kData, 0xf2);
  const Bytes all = take();
  ASSERT_GE(all.size(), 3u);
  EXPECT_EQ(Bytes(all.end() - 3, all.end()), (Bytes{kAck, 0xab, 0x41}));
  EXPECT_LE(all.size() - 3, 17u) << "one in the controller, 16 in the keyboard";
}

// Scan code sets 2 and 1.
TEST_F(I8042Test, TranslatesScanCodes) {
  struct Row {
    const char* name;
    Bytes set2, set1;
  };
  for (const Row& row :
       {Row{"A", {0x1c}, {0x1e}}, Row{"A released", {0xf0, 0x1c}, {0x9e}}, Row{"escape", {0x76}, {0x01}},
        Row{"F7", {0x83}, {0x41}}, Row{"right arrow", {0xe0, 0x74}, {0xe0, 0x4d}},
        Row{"right arrow released", {0xe0, 0xf0, 0x74}, {0xe0, 0xcd}},
        Row{"pause",
            {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77},
            {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5}}}) {
    SCOPED_TRACE(row.name);
    key(row.set2);
    EXPECT_EQ(take(), row.set1);
    command(0x60, kNoTranslation);
    key(row.set2);
    EXPECT_EQ(take(), row.set2);
    command(0x60, kBothIrqs);
  }
}

// "Auxiliary device", commands from the system.
TEST_F(I8042Test, MouseCommands) {
  const Dialogue rows[] = {
      {"reset", {0xff}, {kAck, 0xaa, 0x00}},
      {"identify", {0xf2}, {kAck, 0x00}},
      {"status after reset", {0xe9}, {kAck, 0x00, 0x02, 100}},
      {"rate, resolution, scaling", {0xf3, 40, 0xe8, 3, 0xe7}, {kAck, kAck, kAck, kAck, kAck}},
      {"status then", {0xe9}, {kAck, 0x10, 0x03, 40}},
      {"enable", {0xf4, 0xe9}, {kAck, kAck, 0x30, 0x03, 40}},
      {"remote mode", {0xf0, 0xe9}, {kAck, kAck, 0x70, 0x03, 40}},
      {"stream mode", {0xea, 0xe9}, {kAck, kAck, 0x30, 0x03, 40}},
      {"defaults", {0xf6, 0xe9}, {kAck, kAck, 0x00, 0x02, 100}},
      {"wrap mode", {0xee, 0xf4, 0x12, 0xec}, {kAck, 0xf4, 0x12, kAck}},
      {"unknown", {0xe1}, {kResend}},
      {"wheel", {0xf3, 200, 0xf3, 100, 0xf3, 80, 0xf2}, {kAck, kAck, kAck, kAck, kAck, kAck, kAck, 3}},
      {"reset takes the wheel off", {0xff, 0xf2}, {kAck, 0xaa, 0x00, kAck, 0x00}},
  };
  for (const Dialogue& row : rows) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(mouse(row.to), row.from);
  }
}

// "Data report": buttons, signs, then the movement.
TEST_F(I8042Test, MousePackets) {
  struct Row {
    const char* name;
    int dx, dy;
    u8 buttons;
    Bytes packet;
  };
  mouse({0xff, 0xf4});
  for (const Row& row : {Row{"right", 5, 0, 0, {0x08, 5, 0}}, Row{"left and up", -3, 7, 0, {0x18, 0xfd, 7}},
                         Row{"down", 0, -1, 0, {0x28, 0, 0xff}}, Row{"buttons", 0, 0, 7, {0x0f, 0, 0}},
                         Row{"far", 300, 0, 0, {0x08, 255, 0, 0x08, 45, 0}}}) {
    SCOPED_TRACE(row.name);
    controller.mouse(row.dx, row.dy, 0, row.buttons);
    EXPECT_EQ(take(), row.packet);
  }
}

TEST_F(I8042Test, MouseWheelIsAFourthByte) {
  mouse({0xff, 0xf3, 200, 0xf3, 100, 0xf3, 80, 0xf4});
  controller.mouse(1, 2, -1, 1);
  EXPECT_EQ(take(), (Bytes{0x09, 1, 2, 1}));
}

TEST_F(I8042Test, MouseReportsOnlyWhenEnabled) {
  mouse({0xff});
  controller.mouse(1, 0, 0, 0);
  EXPECT_EQ(take(), Bytes{});
}

// "Status request": the buttons have an order of their own there: left, middle, right from bit 2 down.
TEST_F(I8042Test, MouseStatusShowsButtons) {
  struct Row {
    u8 buttons, status;
  };
  for (const Row& row : {Row{1, 0x04}, Row{2, 0x01}, Row{4, 0x02}}) {
    mouse({0xff});
    controller.mouse(0, 0, 0, row.buttons);
    EXPECT_EQ(mouse({0xe9}), (Bytes{kAck, row.status, 0x02, 100}));
  }
}

// "Read data": in remote mode, what has moved since the last report.
TEST_F(I8042Test, MouseReadData) {
  mouse({0xff, 0xf0});
  controller.mouse(3, -2, 0, 1);
  controller.mouse(4, 0, 0, 1);
  EXPECT_EQ(take(), Bytes{});
  EXPECT_EQ(mouse({0xeb}), (Bytes{kAck, 0x29, 7, 0xfe}));
  EXPECT_EQ(mouse({0xeb}), (Bytes{kAck, 0x09, 0, 0}));
}

}  // namespace
}  // namespace tandem::tests
