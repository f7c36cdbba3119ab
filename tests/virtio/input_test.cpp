// virtio-input (VIRTIO 1.2, 5.8): what the devices say they are, and what arrives of keys and places.
#include "devices/virtio/input.h"

#include <linux/input-event-codes.h>

#include "devices/virtio/input_devices.h"
#include "tests/virtio/virtio_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices;
using namespace devices::virtio;
using Bytes = std::vector<u8>;

struct Event {
  u16 type, code;
  u32 value;
  bool operator==(const Event&) const = default;
};
constexpr Event kSync{EV_SYN, SYN_REPORT, 0};

// What there is otherwise.
class OtherSink final : public InputSink {
 public:
  bool key(u16 code, bool) override { return keys.push_back(code), true; }
  void button(PointerButton, bool) override { ++buttons; }
  void move(i32 right, i32 down, i32 wheel) override { moves.push_back({right, down, wheel}); }
  void point(u32, u32) override {}
  bool takes_points() const override { return false; }
  std::vector<u16> keys;
  std::vector<std::array<i32, 3>> moves;
  unsigned buttons = 0;
};

class InputTest : public VirtioTest {
 protected:
  explicit InputTest(Input::Kind kind = Input::Kind::Keyboard) {
    auto made = std::make_unique<Input>(bench.context(), "input", kind);
    device = made.get();
    plug(std::move(made));
  }
  // 5.8.5.2: what the driver reads after a selection.
  Bytes selected(u8 select, u8 subselect) {
    bench.write(kConfig, select, 1);
    bench.write(kConfig + 1, subselect, 1);
    Bytes data(bench.read(kConfig + 2, 1));
    for (u64 i = 0; i < data.size(); ++i) data[i] = static_cast<u8>(bench.read(kConfig + 8 + i, 1));
    return data;
  }
  void offer(DriverRing& ring, unsigned buffers) {
    for (unsigned i = 0; i < buffers; ++i, ++offered_buffers)
      ring.add(static_cast<u16>(offered_buffers % 8), {{kData + 8 * (offered_buffers % 8), 8, true}});
    kick();
  }
  std::vector<Event> events(DriverRing& ring) {
    std::vector<Event> all;
    while (const auto used = ring.take_used()) {
      EXPECT_EQ(used->written, 8u);
      const Bytes b = in_memory(kData + 8 * used->id, 8);
      all.push_back({load_le<u16>(&b[0]), load_le<u16>(&b[2]), load_le<u32>(&b[4])});
    }
    return all;
  }

  Input* device;
  unsigned offered_buffers = 0;
};

class TabletTest : public InputTest {
 protected:
  TabletTest() : InputTest(Input::Kind::Tablet) {}
};

constexpr RingForm kPlain{false, false, false};

TEST_F(InputTest, KeyboardSaysWhatItIs) {
  EXPECT_EQ(transport->read_config(0, 4), 0x10521af4u);
  const Bytes name = selected(1, 0), keys = selected(0x11, EV_KEY);
  EXPECT_EQ(std::string(name.begin(), name.end()), "Tandem keyboard");
  EXPECT_EQ(selected(3, 0).size(), 8u);
  EXPECT_FALSE(keys[0] & 1) << "KEY_RESERVED";
  EXPECT_TRUE(keys[KEY_A / 8] >> KEY_A % 8 & 1);
  EXPECT_TRUE(selected(0x11, EV_REP).size()) << "the guest repeats";
  EXPECT_TRUE(selected(0x11, EV_ABS).empty());
  EXPECT_TRUE(selected(0x12, ABS_X).empty());
  EXPECT_TRUE(selected(0x55, 3).empty());
}

TEST_F(TabletTest, TabletSaysWhatItIs) {
  EXPECT_EQ(selected(0x11, EV_ABS), Bytes{0x03});
  EXPECT_EQ(selected(0x11, EV_KEY).size(), BTN_MIDDLE / 8 + 1u);
  const Bytes range = selected(0x12, ABS_Y);
  ASSERT_EQ(range.size(), 20u);
  EXPECT_EQ(load_le<u32>(&range[0]), 0u);
  EXPECT_EQ(load_le<u32>(&range[4]), InputSink::kPointerRange);
  EXPECT_TRUE(selected(0x12, ABS_Z).empty());
}

TEST_F(InputTest, EventsArriveInOrderAndWaitForBuffers) {
  EXPECT_FALSE(device->send(std::array{InputEvent{EV_KEY, KEY_A, 1}})) << "no driver yet";
  DriverRing ring = start(kPlain);
  EXPECT_TRUE(device->in_use());
  EXPECT_TRUE(device->send(std::array{InputEvent{EV_KEY, KEY_A, 1}}));
  EXPECT_TRUE(device->send(std::array{InputEvent{EV_KEY, KEY_A, 0}}));
  offer(ring, 3);
  EXPECT_EQ(events(ring), (std::vector<Event>{{EV_KEY, KEY_A, 1}, kSync, {EV_KEY, KEY_A, 0}}));
  offer(ring, 1);
  EXPECT_EQ(events(ring), std::vector<Event>{kSync});
}

TEST_F(InputTest, FullIsFull) {
  DriverRing ring = start(kPlain);
  unsigned taken = 0;
  while (taken < 1000 && device->send(std::array{InputEvent{EV_KEY, KEY_A, 1}})) ++taken;
  EXPECT_EQ(taken, 128u);
  offer(ring, 2);
  EXPECT_TRUE(device->send(std::array{InputEvent{EV_KEY, KEY_B, 1}})) << "there is room again";
}

TEST_F(InputTest, SavedWithWhatWaits) {
  DriverRing ring = start(kPlain);
  selected(0x11, EV_KEY);
  device->send(std::array{InputEvent{EV_KEY, KEY_C, 1}});
  snapshot::StateWriter writer;
  transport->save(writer);
  const Bytes saved = writer.finish();
  transport->reset(machine::ResetKind::System);
  auto reader = snapshot::StateReader::open(saved);
  ASSERT_TRUE(reader.ok() && transport->load(reader.value()).ok());
  transport->resume();
  offer(ring, 2);
  EXPECT_EQ(events(ring), (std::vector<Event>{{EV_KEY, KEY_C, 1}, kSync}));
  EXPECT_EQ(bench.read(kConfig, 1), 0x11u);
}

// Two devices, of which the fixture drives the tablet.
TEST_F(TabletTest, WhoTypesAndPoints) {
  OtherSink other;
  Input keyboard(bench.context(), "keyboard", Input::Kind::Keyboard);
  InputDevices both(keyboard, *device, other);
  EXPECT_FALSE(both.takes_points());
  both.button(PointerButton::Left, true);
  EXPECT_EQ(other.buttons, 1u) << "the mouse, until a driver is there";
  DriverRing ring = start(kPlain);
  EXPECT_TRUE(both.takes_points());
  offer(ring, 8);
  both.point(100, 200);
  both.button(PointerButton::Right, true);
  both.move(0, 0, -1);
  EXPECT_EQ(events(ring), (std::vector<Event>{{EV_ABS, ABS_X, 100},
                                              {EV_ABS, ABS_Y, 200},
                                              kSync,
                                              {EV_KEY, BTN_RIGHT, 1},
                                              kSync,
                                              {EV_REL, REL_WHEEL, ~0u},
                                              kSync}));
  both.move(3, 4, 0);
  EXPECT_EQ(other.moves, (std::vector<std::array<i32, 3>>{{3, 4, 0}}));
  EXPECT_TRUE(both.key(KEY_A, true));
  EXPECT_EQ(other.keys, std::vector<u16>{KEY_A}) << "the keyboard has no driver";
}

}  // namespace
}  // namespace tandem::tests
