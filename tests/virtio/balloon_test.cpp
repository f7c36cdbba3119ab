// virtio-balloon (VIRTIO 1.2, 5.5): pages that go back to the host.
#include "devices/virtio/balloon.h"
#include "tests/virtio/virtio_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices::virtio;

constexpr u64 kReporting = 1 << 5;
constexpr u16 kInflate = 0, kReports = 2;

class BalloonTest : public VirtioTest, public testing::WithParamInterface<RingForm> {
 protected:
  BalloonTest() {
    auto model = std::make_unique<Balloon>(bench.context(), "balloon");
    balloon = model.get();
    plug(std::move(model));
  }
  ~BalloonTest() override { transport.reset(); }
  bool zero(u64 page) {
    const std::vector<u8> bytes = in_memory(page << kPageShift, kPageSize);
    return std::all_of(bytes.begin(), bytes.end(), [](u8 b) { return b == 0; });
  }
  void fill(u64 page, u64 count) { memory().fill(Gpa{page << kPageShift}, 0x77, count << kPageShift); }
  // Pages' numbers, through the inflate queue.
  void inflate(DriverRing& ring, const std::vector<u32>& pages) {
    for (std::size_t i = 0; i < pages.size(); ++i) memory().write_value(Gpa{kData + 4 * i}, pages[i]);
    ring.add(1, {{kData, static_cast<u32>(4 * pages.size())}});
    kick(kInflate);
    ASSERT_TRUE(transport->quiesce());
    EXPECT_TRUE(ring.take_used());
  }

  Balloon* balloon = nullptr;
};

INSTANTIATE_TEST_SUITE_P(All, BalloonTest, testing::ValuesIn(ring_forms()), form_name);

TEST_P(BalloonTest, PagesInTheBalloonAreTheHosts) {
  DriverRing ring = start(GetParam(), 0, kInflate);
  fill(0x80, 16);
  inflate(ring, {0x85, 0x82, 0x83, 0x8f});
  for (u64 page = 0x80; page < 0x90; ++page)
    EXPECT_EQ(zero(page), page == 0x82 || page == 0x83 || page == 0x85 || page == 0x8f) << std::hex << page;
  EXPECT_TRUE(memory().marks().get(0x82) & mem::kDirty);
  fill(0x82, 1);
  EXPECT_FALSE(zero(0x82)) << "it can be used again";
}

TEST_P(BalloonTest, PagesThatAreNone) {
  DriverRing ring = start(GetParam(), 0, kInflate);
  fill(0x80, 1);
  inflate(ring, {0xffffffff, 0xd0000, 0x100, 0x80, 0x80});
  EXPECT_TRUE(zero(0x80));
  EXPECT_FALSE(status() & kNeedsReset);
}

// 5.5.6.7: whole ranges, as buffers that the device may write.
TEST_P(BalloonTest, FreePagesAreReported) {
  DriverRing ring = start(GetParam(), kReporting, kReports);
  fill(0x80, 32);
  ring.add(1, {{0x84000, 0x3000, true}, {0x90800, 0x1000, true}, {0x98000, 0x1000, true}});
  kick(kReports);
  ASSERT_TRUE(transport->quiesce());
  EXPECT_TRUE(ring.take_used());
  for (u64 page = 0x80; page < 0xa0; ++page)
    EXPECT_EQ(zero(page), (page >= 0x84 && page < 0x87) || page == 0x98) << std::hex << page;
}

TEST_P(BalloonTest, TargetAndAnswer) {
  DriverRing ring = start(GetParam(), 0, kInflate);
  msi.take();
  const u64 generation = get(0x15, 1);
  balloon->set_target(256 * KiB);
  EXPECT_EQ(bench.read(kConfig, 4), 64u);
  EXPECT_EQ(msi.take(), std::vector<u32>{kConfigData});
  EXPECT_NE(get(0x15, 1), generation);
  bench.write(kConfig + 4, 33, 4);
  bench.write(kConfig, 7, 4);
  EXPECT_EQ(bench.read(kConfig, 8), u64{33} << 32 | 64) << "the target is the host's to set";
  EXPECT_EQ(balloon->given_up(), 33 * kPageSize);
  balloon->set_target(~u64{0});
  EXPECT_EQ(bench.read(kConfig, 4), MiB / kPageSize);
}

}  // namespace
}  // namespace tandem::tests
