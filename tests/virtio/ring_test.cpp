// Rings of both kinds, well used and abused, through a device that fills buffers. Sections: VIRTIO 1.2.
//   meson test -C build virtio
#include "devices/virtio/entropy.h"
#include "tests/virtio/virtio_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices::virtio;

class RingTest : public VirtioTest, public testing::WithParamInterface<RingForm> {
 protected:
  RingTest() {
    plug(std::make_unique<Entropy>(bench.context(), "rng", [this](std::span<u8> bytes) {
      for (u8& b : bytes) b = ++counter_;
    }));
  }
  u8 counter_ = 0;
};

INSTANTIATE_TEST_SUITE_P(All, RingTest, testing::ValuesIn(ring_forms()), form_name);

TEST_P(RingTest, BuffersComeBackInOrder) {
  DriverRing ring = start(GetParam());
  for (u16 round = 0; round < 30; ++round) {
    const u64 at = kData + 0x100u * round;
    ring.add(round, {{at, 3, true}, {at + 0x10, 0, true}, {at + 0x20, 5, true}});
    if (round % 2) ring.add(static_cast<u16>(round + 100), {{at + 0x40, 2, true}});
    kick();
    const auto used = ring.take_used();
    ASSERT_TRUE(used) << round;
    EXPECT_EQ(used->id, round);
    EXPECT_EQ(used->written, 8u);
    const std::vector<u8> got = in_memory(at, 0x28);
    EXPECT_EQ(static_cast<u8>(got[0x20] - got[2]), 1) << "pieces follow each other";
    EXPECT_EQ(static_cast<u8>(got[0x24] - got[0]), 7);
    if (round % 2) {
      EXPECT_EQ(ring.take_used()->id, round + 100);
    }
    EXPECT_FALSE(ring.take_used());
  }
}

TEST_P(RingTest, WritesAreMarked) {
  DriverRing ring = start(GetParam());
  mem::PageMarks& marks = memory().marks();
  marks.clear(kData >> kPageShift, mem::kDirty);
  ring.add(1, {{kData, 4, true}});
  kick();
  EXPECT_TRUE(marks.get(kData >> kPageShift) & mem::kDirty);
}

// 2.7.10, 2.8.10: an interrupt when the asked position is passed, none before.
TEST_P(RingTest, InterruptsAsTheDriverWants) {
  DriverRing ring = start(GetParam());
  const std::vector<Piece> buffer = {{kData, 4, true}};
  ring.add(1, buffer);
  kick();
  EXPECT_EQ(msi.take(), std::vector<u32>{kQueueData});
  if (!GetParam().event_index) {
    ring.refuse_interrupts();
    ring.add(2, buffer);
    kick();
    EXPECT_EQ(msi.take(), std::vector<u32>{});
    return;
  }
  for (u16 i = 0; i < 20; ++i) {
    ring.add(i, buffer);
    kick();
    EXPECT_EQ(msi.take(), std::vector<u32>{}) << "the event is behind";
    EXPECT_TRUE(ring.take_used());
    if (i == 0) EXPECT_TRUE(ring.take_used());
    ring.ask_for_interrupt();
    ring.add(i, buffer);
    kick();
    EXPECT_EQ(msi.take(), std::vector<u32>{kQueueData}) << i;
    EXPECT_TRUE(ring.take_used());
  }
}

TEST_P(RingTest, AsksForNotificationWhereItStands) {
  DriverRing ring = start(GetParam());
  if (!GetParam().event_index) return;
  for (u16 i = 0; i < 20; ++i) {
    EXPECT_EQ(ring.notification_event(), ring.position()) << i;
    ring.add(i, {{kData, 4, true}});
    kick();
    EXPECT_TRUE(ring.take_used());
  }
}

TEST_P(RingTest, GoesOnAfterLoading) {
  DriverRing ring = start(GetParam());
  const auto exchange = [&](u16 id) {
    ring.add(id, {{kData, 4, true}, {kData + 8, 4, true}});
    kick();
    const auto used = ring.take_used();
    return used && used->id == id && used->written == 8;
  };
  for (u16 i = 0; i < 5; ++i) EXPECT_TRUE(exchange(i));
  const auto saved = [this] {
    snapshot::StateWriter writer;
    transport->save(writer);
    return writer.finish();
  };
  const std::vector<u8> state = saved();
  transport->reset(machine::ResetKind::PowerOn);
  EXPECT_EQ(status(), 0xff) << "no BAR decodes after a reset";
  auto reader = snapshot::StateReader::open(state);
  ASSERT_TRUE(transport->load(reader.value()));
  EXPECT_EQ(saved(), state);
  transport->resume();
  for (u16 i = 0; i < 20; ++i) EXPECT_TRUE(exchange(i)) << i;
}

// What a driver must not do: the device stops, says so, and works again after a reset.
struct Nonsense {
  const char* name;
  void (*make)(DriverRing& ring, const RingForm& form);
};
constexpr Nonsense kNonsense[] = {
    {"no memory", [](DriverRing& r, const RingForm&) { r.add(1, {{0xd0000000, 4, true}}); }},
    {"half of it no memory", [](DriverRing& r, const RingForm&) { r.add(1, {{MiB - 8, 16, true}}); }},
    {"the end of the address space",
     [](DriverRing& r, const RingForm&) { r.add(1, {{~u64{0} - 3, 8, true}}); }},
    {"read after write",
     [](DriverRing& r, const RingForm&) { r.add(1, {{0x40000, 4, true}, {0x40010, 4, false}}); }},
    {"far too long",
     [](DriverRing& r, const RingForm&) { r.add(1, {{0, 0xffffffff, true}, {0, 0xffffffff, true}}); }},
};

TEST_P(RingTest, NonsenseStopsTheDevice) {
  for (const Nonsense& row : kNonsense) {
    SCOPED_TRACE(row.name);
    DriverRing ring = start(GetParam());
    msi.take();
    row.make(ring, GetParam());
    kick();
    EXPECT_TRUE(status() & kNeedsReset);
    EXPECT_EQ(msi.take(), std::vector<u32>{kConfigData});
    EXPECT_FALSE(ring.take_used());
    DriverRing again = start(GetParam());
    again.add(1, {{kData, 4, true}});
    kick();
    EXPECT_TRUE(again.take_used());
  }
  EXPECT_EQ(bench.counters.values().at("virtio.broken"), std::size(kNonsense));
}

class SplitNonsense : public RingTest {
 protected:
  // Adds a good buffer, lets `damage` change it, and kicks.
  template <class F>
  bool stops(bool indirect, F damage) {
    DriverRing ring = start({false, false, indirect});
    ring.add(1, {{kData, 4, true}, {kData + 8, 4, true}});
    damage(ring);
    kick();
    return status() & kNeedsReset;
  }
};
INSTANTIATE_TEST_SUITE_P(One, SplitNonsense, testing::Values(RingForm{false, false, false}), form_name);

TEST_P(SplitNonsense, Stops) {
  constexpr u64 kFlags = kRing + 12, kNextField = kRing + 14, kAvail = kRing + DriverRing::kDriver;
  constexpr u64 kTable = kRing + DriverRing::kTables;
  EXPECT_FALSE(stops(false, [](DriverRing&) {})) << "nothing wrong";
  EXPECT_TRUE(stops(false, [](DriverRing& r) { r.put<u16>(kAvail + 2, 9); })) << "more than the queue holds";
  EXPECT_TRUE(stops(false, [](DriverRing& r) { r.put<u16>(kAvail + 4, 8); })) << "a head that is none";
  EXPECT_TRUE(stops(false, [](DriverRing& r) { r.put<u16>(kNextField, 0); })) << "a loop";
  EXPECT_TRUE(stops(false, [](DriverRing& r) { r.put<u16>(kNextField, 8); })) << "a next that is none";
  EXPECT_TRUE(stops(false, [](DriverRing& r) { r.put<u16>(kFlags, kIndirectTable); })) << "not negotiated";
  EXPECT_FALSE(stops(true, [](DriverRing&) {}));
  EXPECT_TRUE(stops(true, [](DriverRing& r) { r.put<u16>(kFlags, kIndirectTable | kNext); }));
  EXPECT_TRUE(stops(true, [](DriverRing& r) { r.put<u32>(kRing + 8, 0); })) << "an empty table";
  EXPECT_TRUE(stops(true, [](DriverRing& r) { r.put<u32>(kRing + 8, 24); })) << "half a descriptor";
  EXPECT_TRUE(stops(true, [](DriverRing& r) { r.put<u32>(kRing + 8, 0xfffffff0); })) << "a huge table";
  EXPECT_TRUE(stops(true, [](DriverRing& r) { r.put<u64>(kRing, 0xd0000000); })) << "a table nowhere";
  EXPECT_TRUE(stops(true, [](DriverRing& r) { r.put<u16>(kTable + 14, 0); })) << "a loop in the table";
  EXPECT_TRUE(stops(true, [](DriverRing& r) { r.put<u16>(kTable + 14, 2); })) << "out of the table";
  EXPECT_TRUE(stops(true, [](DriverRing& r) { r.put<u16>(kTable + 12, kIndirectTable); }))
      << "a table in a table";
}

TEST_P(SplitNonsense, PackedChainsThatDoNotEnd) {
  DriverRing ring = start({true, false, false});
  ring.add(1, {{kData, 4, true}});
  for (u64 slot = 0; slot < 8; ++slot) ring.put<u16>(kRing + 16 * slot + 14, kAvailable | kNext | kWrite);
  kick();
  EXPECT_TRUE(status() & kNeedsReset);
}

// Areas that are no RAM, or not aligned, are found when the queue starts.
TEST_P(SplitNonsense, QueuesNowhere) {
  for (const u64 place : {u64{0xd0000000}, MiB - 16, kRing + 8, ~u64{15}}) {
    for (const bool packed : {false, true}) {
      negotiate(RingForm{packed, false, false}.features());
      DriverRing ring(memory(), {packed, false, false}, 8, kRing);
      set_up_queue(0, ring);
      set_status(0);
      negotiate(RingForm{packed, false, false}.features());
      set(0x18, 8, 2);
      set(0x20, place, 8);
      set(0x28, kRing + 0x1000, 8);
      set(0x30, kRing + 0x2000, 8);
      set(0x1c, 1, 2);
      go();
      EXPECT_TRUE(status() & kNeedsReset) << std::hex << place;
      kick();
    }
  }
}

}  // namespace
}  // namespace tandem::tests
