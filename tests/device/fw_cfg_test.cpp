// fw_cfg by its ports and its DMA interface (QEMU's docs/specs/fw_cfg).
#include <gtest/gtest.h>

#include <string>

#include "core/base/bits.h"
#include "devices/platform/fw_cfg.h"
#include "tests/support/device_bench.h"

namespace tandem::tests {
namespace {

using devices::FwCfg;

constexpr u16 kSelector = 0x510, kData = 0x511, kDma = 0x514;
constexpr u64 kAccess = 0x1000, kBuffer = 0x2003;  // the buffer is odd

class FwCfgTest : public testing::Test {
 protected:
  FwCfgTest() {
    bench.map_ports(kSelector, 2, device.ports(), 2);
    bench.map_ports(kDma, 8, device.dma_ports(), 4);
    device.add_file("b/second", {4, 5, 6});
    device.add_file("a/first", {1, 2, 3, 4, 5, 6, 7, 8});
  }
  mem::GuestMemory& memory() { return bench.context().memory; }
  std::string read(unsigned n) {
    std::string s;
    while (n--) s.push_back(static_cast<char>(bench.in(kData)));
    return s;
  }
  u32 big_endian(unsigned size) {
    u32 v = 0;
    while (size--) v = v << 8 | static_cast<u32>(bench.in(kData));
    return v;
  }
  // Runs one access; what its control field is afterwards.
  u32 dma(u32 control, u32 length, u64 address, u64 at = kAccess) {
    memory().write_value(Gpa{at}, __builtin_bswap32(control));
    memory().write_value(Gpa{at + 4}, __builtin_bswap32(length));
    memory().write_value(Gpa{at + 8}, __builtin_bswap64(address));
    bench.out(kDma, __builtin_bswap32(static_cast<u32>(at >> 32)), 4);
    bench.out(kDma + 4, __builtin_bswap32(static_cast<u32>(at)), 4);
    return __builtin_bswap32(memory().read_value<u32>(Gpa{at}));
  }
  std::vector<u8> buffer(unsigned n) {
    std::vector<u8> v(n);
    memory().read(Gpa{kBuffer}, v);
    return v;
  }

  DeviceBench bench;
  FwCfg device{bench.context()};
};

TEST_F(FwCfgTest, SignatureAndFeatures) {
  bench.out(kSelector, FwCfg::kSignature, 2);
  EXPECT_EQ(read(4), "QEMU");
  EXPECT_EQ(read(2), std::string(2, '\0')) << "behind the end";
  bench.out(kSelector, FwCfg::kInterface, 2);
  EXPECT_EQ(bench.in(kData), 3u);
  bench.out(kSelector, 0x1234, 2);
  EXPECT_EQ(bench.in(kData), 0u) << "no such item";
  EXPECT_EQ(bench.in(kDma, 4), 0x554d4551u) << "QEMU, big-endian";
  EXPECT_EQ(bench.in(kDma + 4, 4), 0x47464320u);
  EXPECT_EQ(bench.in(kDma + 1), u64{'E'});
}

TEST_F(FwCfgTest, DirectoryIsSorted) {
  bench.out(kSelector, FwCfg::kDirectory, 2);
  EXPECT_EQ(big_endian(4), 2u);
  EXPECT_EQ(big_endian(4), 8u);
  const u32 key = big_endian(2);
  EXPECT_EQ(big_endian(2), 0u);
  EXPECT_EQ(read(56), "a/first" + std::string(49, '\0'));
  EXPECT_EQ(big_endian(4), 3u);
  bench.out(kSelector, key, 2);
  EXPECT_EQ(read(3), "\1\2\3");
}

TEST_F(FwCfgTest, DmaReadsSkipsAndPads) {
  const u32 first = FwCfg::kFirstFile + 1;
  EXPECT_EQ(dma(first << 16 | 8 | 4, 2, 0), 0u) << "select and skip";
  EXPECT_EQ(dma(2, 3, kBuffer), 0u);
  EXPECT_EQ(buffer(3), (std::vector<u8>{3, 4, 5}));
  memory().fill(Gpa{kBuffer}, 0xee, 6);
  EXPECT_EQ(dma(2, 5, kBuffer), 0u);
  EXPECT_EQ(buffer(6), (std::vector<u8>{6, 7, 8, 0, 0, 0xee})) << "zeros behind the end";
}

TEST_F(FwCfgTest, DmaErrors) {
  const u32 first = FwCfg::kFirstFile + 1;
  EXPECT_EQ(dma(first << 16 | 8 | 2, 4, 0xd0000000), 1u) << "no memory there";
  EXPECT_EQ(dma(first << 16 | 8 | 2, 4, ~u64{0} - 1), 1u) << "addresses end";
  EXPECT_EQ(dma(first << 16 | 8 | 16, 4, kBuffer), 1u) << "files can't be written";
  EXPECT_EQ(dma(first << 16 | 8 | 2, 4, kBuffer, 0x1001), 0u) << "an odd descriptor";
  EXPECT_EQ(buffer(4), (std::vector<u8>{1, 2, 3, 4}));
  EXPECT_EQ(dma(2, 4, kBuffer, 0xd0000000), 0xffffffffu) << "a descriptor nowhere";
}

}  // namespace
}  // namespace tandem::tests
