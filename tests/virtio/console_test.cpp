// virtio-console (VIRTIO 1.2, 5.3): a console and a named port.
#include "devices/virtio/console.h"

#include "tests/support/line_backend.h"
#include "tests/virtio/virtio_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices;
using namespace devices::virtio;

constexpr u64 kMultiport = 2;
constexpr u16 kReady = 0, kAdd = 1, kPortReady = 3, kConsolePort = 4, kOpen = 6, kName = 7;

class ConsoleTest : public VirtioTest, public testing::WithParamInterface<RingForm> {
 protected:
  ConsoleTest() {
    plug(std::make_unique<Console>(bench.context(), "console",
                                   std::vector<ConsolePort>{{"", &first}, {"org.test", &second}}));
  }
  ~ConsoleTest() override { transport.reset(); }
  void begin(u64 features) {
    negotiate(GetParam().features() | features);
    ASSERT_TRUE(status() & kFeaturesOk);
    use_msix(6);
    for (u16 q = 0; q < 6; ++q) {
      rings.emplace_back(memory(), GetParam(), 16, kRing + 0x8000 * q);
      set_up_queue(q, rings.back());
    }
    go();
    transport->resume();
  }
  void tell(u32 port, u16 event, u16 value) {
    memory().write_value<u64>(Gpa{kOut}, u64{value} << 48 | u64{event} << 32 | port);
    rings[3].add(1, {{kOut, 8}});
    kick(3);
    EXPECT_TRUE(rings[3].take_used());
  }
  struct Told {
    u32 port;
    u16 event, value;
    std::string text;
    bool operator==(const Told&) const = default;
  };
  // The next control message, if there is one.
  std::optional<Told> told() {
    if (!offered_) rings[2].add(1, {{kIn, 64, true}});
    offered_ = true;
    kick(2);
    const auto used = rings[2].take_used();
    if (!used) return {};
    offered_ = false;
    const std::vector<u8> b = in_memory(kIn, used->written);
    return Told{load_le<u32>(&b[0]), load_le<u16>(&b[4]), load_le<u16>(&b[6]),
                std::string(b.begin() + 8, b.end())};
  }
  void send(u16 queue, std::string_view text) {
    memory().write(Gpa{kOut}, {reinterpret_cast<const u8*>(text.data()), text.size()});
    rings[queue].add(1, {{kOut, static_cast<u32>(text.size())}});
    kick(queue);
  }
  std::optional<std::string> received(u16 queue) {
    const auto used = rings[queue].take_used();
    if (!used) return {};
    const std::vector<u8> b = in_memory(kIn + 0x1000, used->written);
    return std::string(b.begin(), b.end());
  }
  void offer(u16 queue, u32 size) {
    rings[queue].add(1, {{kIn + 0x1000, size, true}});
    kick(queue);
  }
  static constexpr u64 kOut = 0x50000, kIn = 0x51000;

  LineBackend first, second;
  std::vector<DriverRing> rings;

 private:
  bool offered_ = false;
};

INSTANTIATE_TEST_SUITE_P(All, ConsoleTest, testing::ValuesIn(ring_forms()), form_name);

// 5.3.6.2: the ports are announced, named, opened.
TEST_P(ConsoleTest, Announces) {
  EXPECT_EQ(bench.read(kConfig + 4, 4), 2u);
  begin(kMultiport);
  EXPECT_FALSE(told());
  tell(0, kReady, 1);
  EXPECT_EQ(told(), (Told{0, kAdd, 1, ""}));
  EXPECT_EQ(told(), (Told{1, kAdd, 1, ""}));
  tell(1, kPortReady, 1);
  EXPECT_EQ(told(), (Told{1, kName, 1, "org.test"}));
  EXPECT_EQ(told(), (Told{1, kOpen, 1, ""}));
  tell(0, kPortReady, 1);
  EXPECT_EQ(told(), (Told{0, kConsolePort, 1, ""}));
  EXPECT_EQ(told(), (Told{0, kOpen, 1, ""}));
  tell(7, kPortReady, 1);
  tell(7, kOpen, 1);
  EXPECT_FALSE(told());
}

TEST_P(ConsoleTest, CarriesText) {
  begin(kMultiport);
  send(1, "to the console");
  EXPECT_EQ(first.take_written(), "to the console");
  send(5, "to the port");
  EXPECT_EQ(second.take_written(), "to the port");
  tell(1, kOpen, 1);
  offer(4, 100);
  EXPECT_EQ(second.type("answer"), 6u);
  EXPECT_EQ(received(4), "answer");
}

TEST_P(ConsoleTest, InputWaits) {
  begin(kMultiport);
  second.type("early");
  offer(4, 3);
  EXPECT_FALSE(received(4)) << "nobody has the port open";
  tell(1, kOpen, 1);
  EXPECT_EQ(received(4), "ear");
  offer(4, 10);
  EXPECT_EQ(received(4), "ly");
  EXPECT_EQ(second.type(std::string(9000, 'x')), 4096u) << "so much is kept";
  EXPECT_EQ(second.type("x"), 0u);
  second.take_wanted();
  offer(4, 4096);
  EXPECT_EQ(received(4)->size(), 4096u);
  EXPECT_GT(second.take_wanted(), 0u);
  EXPECT_EQ(second.type("x"), 1u);
}

TEST_P(ConsoleTest, OutputWaitsForTheHost) {
  begin(kMultiport);
  first.block(true);
  send(1, "later");
  EXPECT_FALSE(rings[1].take_used());
  EXPECT_EQ(first.take_written(), "");
  first.block(false);
  EXPECT_EQ(first.take_written(), "later");
  EXPECT_TRUE(rings[1].take_used());
}

TEST_P(ConsoleTest, ManyMessagesWithoutRoomForAnswers) {
  begin(kMultiport);
  for (unsigned i = 0; i < 2000 && !(status() & kNeedsReset); ++i) {
    rings[3].add(1, {{kOut, 8}});
    memory().write_value<u64>(Gpa{kOut}, u64{1} << 48 | u64{kPortReady} << 32);
    kick(3);
    rings[3].take_used();
  }
  EXPECT_TRUE(status() & kNeedsReset);
}

// 5.3.5: a driver without MULTIPORT knows the first port, which is open.
TEST_P(ConsoleTest, OnePort) {
  begin(0);
  offer(0, 10);
  first.type("hi");
  EXPECT_EQ(received(0), "hi");
}

TEST_P(ConsoleTest, KeepsInputOverSaveAndLoad) {
  begin(kMultiport);
  second.type("kept");
  tell(0, kReady, 1);
  ASSERT_TRUE(transport->quiesce());
  snapshot::StateWriter writer;
  transport->save(writer);
  auto reader = snapshot::StateReader::open(writer.finish());
  transport->reset(machine::ResetKind::PowerOn);
  ASSERT_TRUE(transport->load(reader.value()));
  transport->resume();
  EXPECT_EQ(told(), (Told{0, kAdd, 1, ""}));
  tell(1, kOpen, 1);
  offer(4, 10);
  EXPECT_EQ(received(4), "kept");
}

}  // namespace
}  // namespace tandem::tests
