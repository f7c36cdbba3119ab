// Where boot data goes.
#include "core/machine/boot/layout.h"

#include "tests/loaders/guest_fixture.h"

namespace tandem::tests {
namespace {

using machine::Layout;

class LayoutTest : public testing::Test {
 protected:
  GuestRam ram_{16 * MiB};
  Layout layout_{ram_.memory(), ram_.info().memory_map};
};

TEST_F(LayoutTest, AllocatesTheHighestFreePlace) {
  EXPECT_EQ(layout_.allocate(100, 16, 16 * MiB).take(), 16 * MiB - 112);
  EXPECT_EQ(layout_.allocate(100, 4096, 16 * MiB).take(), 16 * MiB - 4096);
  EXPECT_EQ(layout_.allocate(100, 4096, 16 * MiB).take(), 16 * MiB - 8192);
}

TEST_F(LayoutTest, AllocatesBelowTheEndThatWasAskedFor) {
  EXPECT_EQ(layout_.allocate(4096, 4096, 0x9f000).take(), 0x9e000u);
  EXPECT_EQ(layout_.allocate(4096, 4096, 0x9f000).take(), 0x9d000u);
}

TEST_F(LayoutTest, KeepsOutOfTheHoleBelow1MiB) {
  EXPECT_EQ(layout_.allocate(4096, 4096, 0x100000).take(), devices::kLowRamEnd - 4096 - 0xc00);
  EXPECT_EQ(layout_.allocate_above(0x9fc00, 4096, 4096, GiB).take(), MiB);
}

TEST_F(LayoutTest, AllocatesAroundWhatIsTaken) {
  ASSERT_TRUE(layout_.reserve(8 * MiB, 8 * MiB - 0x1000));
  EXPECT_EQ(layout_.allocate(0x1000, 0x1000, 16 * MiB).take(), 16 * MiB - 0x1000);
  EXPECT_EQ(layout_.allocate(0x1000, 0x1000, 16 * MiB).take(), 8 * MiB - 0x1000);
  EXPECT_EQ(layout_.allocate_above(2 * MiB, 5 * MiB, 0x1000, GiB).take(), 2 * MiB);
  expect_user_error(layout_.allocate_above(2 * MiB, 5 * MiB, 0x1000, GiB), "does not fit");
}

TEST_F(LayoutTest, AllocateAboveHoldsItsEnd) {
  EXPECT_EQ(layout_.allocate_above(MiB, MiB, 4096, 2 * MiB).take(), MiB);
  expect_user_error(layout_.allocate_above(MiB, MiB, 4096, 2 * MiB), "does not fit");
}

TEST_F(LayoutTest, LeavesTheFirstPageAlone) {
  expect_user_error(layout_.reserve(0x800, 16), "not free RAM");
  EXPECT_EQ(layout_.allocate_above(0, 16, 1, GiB).take(), 0x1000u);
}

TEST_F(LayoutTest, EmptyPiecesHaveAPlaceOfTheirOwn) {
  const u64 a = layout_.allocate(0, 8, 16 * MiB).take(), b = layout_.allocate(0, 8, 16 * MiB).take();
  EXPECT_NE(a, b);
}

struct Taken {
  std::string name;
  u64 start, length;
  std::string message;
};
void PrintTo(const Taken& row, std::ostream* out) { *out << row.name; }
class LayoutRefuses : public LayoutTest, public testing::WithParamInterface<Taken> {};

TEST_P(LayoutRefuses, ToReserve) {
  ASSERT_TRUE(layout_.reserve(4 * MiB, MiB));
  expect_user_error(layout_.reserve(GetParam().start, GetParam().length), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(Rows, LayoutRefuses,
                         testing::Values(Taken{"Taken", 5 * MiB - 1, 2,
                                               "(0x4fffff..0x500000 is not free RAM)"},
                                         Taken{"Around", 3 * MiB, 3 * MiB, "is not free RAM"},
                                         Taken{"Beyond", 16 * MiB - 1, 2, "(needs 17 MiB)"},
                                         Taken{"FarBeyond", 3 * GiB, MiB, "(needs 3073 MiB)"},
                                         Taken{"Hole", 0xa0000, 16, "is not free RAM"},
                                         Taken{"AcrossTheHole", 0x9f000, 0x70000, "is not free RAM"},
                                         Taken{"Wrapping", ~u64{0} - 15, 32, "is not free RAM"},
                                         Taken{"Everything", MiB, ~u64{0}, "is not free RAM"}),
                         [](const auto& row) { return row.param.name; });

TEST(LayoutHigh, UsesRamAbove4GiB) {
  GuestRam ram(4 * GiB);
  Layout layout(ram.memory(), ram.info().memory_map);
  EXPECT_EQ(layout.allocate(4096, 4096, ~u64{0}).take(), 5 * GiB - 4096);
  EXPECT_EQ(layout.allocate_above(3 * GiB, 4096, 4096, ~u64{0}).take(), 4 * GiB);
  expect_user_error(layout.allocate_above(3 * GiB, 4096, 4096, 4 * GiB), "does not fit");
}

}  // namespace
}  // namespace tandem::tests
