// Payloads of kernels, unpacked on the host: each format, whole and damaged.
#include "core/machine/boot/decompress.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/loaders/compress.h"
#include "tests/loaders/guest_fixture.h"
#include "tests/loaders/kernel_images.h"

namespace tandem::tests {
namespace {

class Decompress : public testing::TestWithParam<Compressor> {
 protected:
  // Noise, so that its packed form has many bytes to be damaged, and a long run.
  static std::vector<u8> plain(std::size_t run = 100000) {
    std::vector<u8> out = pattern(5000);
    out.resize(out.size() + run, 0x90);
    return out;
  }
};

TEST_P(Decompress, GivesWhatWasPacked) {
  const auto unpacked = machine::decompress(pack_payload(GetParam(), plain()));
  ASSERT_TRUE(unpacked) << unpacked.error().message;
  ASSERT_TRUE(unpacked.value().has_value());
  EXPECT_TRUE(*unpacked.value() == plain());
}

// Larger than the steps in which the output grows, and than an lz4 block.
TEST_P(Decompress, GivesLargeKernels) {
  const auto unpacked = machine::decompress(pack_payload(GetParam(), plain(21 * MiB)));
  ASSERT_TRUE(unpacked) << unpacked.error().message;
  ASSERT_TRUE(unpacked.value().has_value());
  EXPECT_TRUE(*unpacked.value() == plain(21 * MiB));
}

TEST_P(Decompress, RejectsEveryTruncation) {
  const std::vector<u8> whole = GetParam().pack(plain());
  for (std::size_t size = 6; size < whole.size(); size += 1 + size / 64) {
    const auto unpacked = machine::decompress(std::span(whole).first(size));
    ASSERT_FALSE(unpacked.ok()) << GetParam().name << " cut to " << size << " of " << whole.size();
    expect_user_error(unpacked, "damaged");
  }
}

// Damage is an error or other bytes, and never more of them than the limit.
TEST_P(Decompress, SurvivesDamage) {
  const u32 seed = 20240;
  std::mt19937 random(seed);
  const std::vector<u8> whole = pack_payload(GetParam(), plain());
  for (int round = 0; round < 300; ++round) {
    std::vector<u8> damaged = whole;
    for (int i = 0; i < 3; ++i) damaged[random() % damaged.size()] ^= static_cast<u8>(1 + random() % 255);
    const auto unpacked = machine::decompress(damaged);
    if (!unpacked) expect_user_error(unpacked, "damaged");
    else if (unpacked.value()) EXPECT_LE(unpacked.value()->size(), 512 * MiB) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Decompress, testing::ValuesIn(compressors()),
                         [](const auto& row) { return row.param.name; });

TEST(DecompressUnknown, IsNoError) {
  for (const std::vector<u8>& bytes : {std::vector<u8>{}, {0x1f}, {0x89, 'L', 'Z', 'O', 0}, pattern(64)}) {
    const auto unpacked = machine::decompress(bytes);
    ASSERT_TRUE(unpacked) << unpacked.error().message;
    EXPECT_FALSE(unpacked.value().has_value());
  }
}

TEST(DecompressLz4, BlockLargerThanItsFormatAllowsIsDamage) {
  std::vector<u8> packed = {0x02, 0x21, 0x4c, 0x18, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4};
  expect_user_error(machine::decompress(packed), "damaged lz4");
}

}  // namespace
}  // namespace tandem::tests
