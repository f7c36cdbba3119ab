// Damaged and malicious images: refused with one line, or errors on reading; never a crash, never writes
// elsewhere.
#include "core/base/bits.h"
#include "devices/backend/block/qcow2_create.h"
#include "tests/block/image_bench.h"

namespace tandem::tests {
namespace {

using devices::buffer;

// Fields of the header, by offset and size.
struct Patch {
  u64 offset;
  unsigned size;
  u64 value;
};

struct HostileRow {
  const char* name;
  std::vector<Patch> patches;
  const char* says;  // part of the message; null: opens
};

constexpr u64 kHuge = u64{1} << 55;

const HostileRow kRows[] = {
    {"version_1", {{4, 4, 1}}, "version 1"},
    {"version_4", {{4, 4, 4}}, "version 4"},
    {"clusters_of_1_byte", {{20, 4, 0}}, "2^0"},
    {"clusters_of_256_bytes", {{20, 4, 8}}, "2^8"},
    {"clusters_of_4_mib", {{20, 4, 22}}, "2^22"},
    {"clusters_absurd", {{20, 4, 0xffffffff}}, "damaged"},
    {"size_absurd", {{24, 8, ~u64{0}}}, "L1 table is too small"},
    {"size_beyond_l1", {{24, 8, u64{1} << 40}}, "L1 table is too small"},
    {"encrypted", {{32, 4, 1}}, "encrypted"},
    {"l1_huge", {{36, 4, 0xffffffff}}, "L1 table has"},
    {"l1_beyond_the_end", {{36, 4, 4 * MiB / 8}}, "L1 table is not in the file"},
    {"l1_unaligned", {{40, 8, 0x30001}}, "L1 table is not aligned"},
    {"l1_far_away", {{40, 8, kHuge}}, "L1 table is not in the file"},
    {"l1_wraps", {{40, 8, ~u64{0xffff}}}, "L1 table is not in the file"},
    {"l1_over_the_header", {{40, 8, 0}}, "L1 table"},
    {"l1_over_refcounts", {{40, 8, 0x10000}}, "overlap"},
    {"no_refcount_table", {{56, 4, 0}}, "no refcount table"},
    {"refcount_table_huge", {{56, 4, 0x10000}}, "refcount table has"},
    {"refcount_table_unaligned", {{48, 8, 0x10200}}, "refcount table is not aligned"},
    {"refcount_table_far_away", {{48, 8, kHuge}}, "refcount table is not in the file"},
    {"snapshots_too_many", {{60, 4, 0xffffffff}}, "snapshots"},
    {"backing_name_in_the_void", {{8, 8, kHuge}, {16, 4, 4}}, "backing"},
    {"backing_name_endless", {{8, 8, 0x200}, {16, 4, 0xffffffff}}, "backing"},
    {"feature_unknown", {{72, 8, u64{1} << 40}}, "bit 40"},
    {"feature_external_data", {{72, 8, 4}}, "another file"},
    {"feature_extended_l2", {{72, 8, 16}}, "extended L2"},
    {"marked_corrupt", {{72, 8, 2}}, "qemu-img check -r"},
    {"marked_dirty", {{72, 8, 1}}, "qemu-img check -r"},
    {"refcounts_of_128_bits", {{96, 4, 7}}, "refcounts"},
    {"header_too_short", {{100, 4, 8}}, "header has 8"},
    {"header_too_long", {{100, 4, 0x20000}}, "header has"},
    {"compression_unknown", {{104, 1, 9}}, "compression"},
    {"extension_endless", {{112, 4, 0x12345678}, {116, 4, 0xfffffff0}}, "extension is too long"},
    // What only reading or writing finds.
    {"l2_far_away", {{0x30000, 8, kHuge | devices::qcow2::kCopied}}, nullptr},
    {"l2_unaligned", {{0x30000, 8, 0x40200 | devices::qcow2::kCopied}}, nullptr},
    {"l2_is_the_header", {{0x30000, 8, 0x200}}, nullptr},
    {"l2_is_l1", {{0x30000, 8, 0x30000 | devices::qcow2::kCopied}}, nullptr},
    {"data_far_away", {{0x40000, 8, kHuge | devices::qcow2::kCopied}}, nullptr},
    {"data_behind_the_end", {{0x40000, 8, u64{1} << 40 | devices::qcow2::kCopied}}, nullptr},
    {"data_unaligned", {{0x40000, 8, 0x50200 | devices::qcow2::kCopied}}, nullptr},
    {"data_is_l1", {{0x40000, 8, 0x30000 | devices::qcow2::kCopied}}, nullptr},
    {"data_is_refcounts", {{0x40000, 8, 0x20000 | devices::qcow2::kCopied}}, nullptr},
    {"data_reserved_bits", {{0x40000, 8, 0x50000 | u64{1} << 61}}, nullptr},
    {"compressed_far_away", {{0x40000, 8, u64{1} << 62 | (u64{1} << 53)}}, nullptr},
    {"compressed_nonsense", {{0x40000, 8, u64{1} << 62 | 0x50000}}, nullptr},
    {"refcount_block_unaligned", {{0x10000, 8, 0x20001}}, nullptr},
    {"refcount_block_far_away", {{0x10000, 8, kHuge}}, nullptr},
    {"refcounts_all_zero", {{0x20000, 8, 0}, {0x20008, 8, 0}}, nullptr},
};

class Hostile : public testing::TestWithParam<HostileRow> {
 protected:
  // Header, refcount table, refcount block, L1, L2, one cluster of data: 64 KiB each.
  void SetUp() override {
    bench.must("qemu-img create -f qcow2 disk.qcow2 8M && qemu-io -c 'write -P 1 0 64k' disk.qcow2");
    std::vector<u8> bytes = read_file(bench.at("disk.qcow2"));
    ASSERT_EQ(load_be<u64>(&bytes[40]), 0x30000u);
    ASSERT_EQ(load_be<u64>(&bytes[0x30000]) & devices::qcow2::kOffsetMask, 0x40000u);
    for (const Patch& p : GetParam().patches)
      for (unsigned i = 0; i < p.size; ++i)
        bytes[p.offset + i] = static_cast<u8>(p.value >> 8 * (p.size - 1 - i));
    write_file(bench.at("disk.qcow2"), bytes);
  }
  ImageBench bench;
};

TEST_P(Hostile, RefusedOrHarmless) {
  auto image = bench.try_open("disk.qcow2", true);
  if (GetParam().says) {
    ASSERT_FALSE(image);
    const std::string& message = image.error().message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
    EXPECT_NE(message.find("disk.qcow2: "), std::string::npos) << message;
    EXPECT_NE(message.find(GetParam().says), std::string::npos) << message;
    EXPECT_EQ(image.error().kind, ErrorKind::User);
    return;
  }
  ASSERT_TRUE(image) << image.error().message;
  // Any status will do; what must hold is that the header stays.
  const std::vector<u8> header = read_file(bench.at("disk.qcow2"));
  std::vector<u8> bytes(MiB, 0xee);
  std::ignore = image.value()->read(0, {buffer(bytes)});
  std::ignore = image.value()->write(0, {buffer(bytes)});
  std::ignore = image.value()->write_zeroes(4096, 70000);
  std::ignore = image.value()->discard(0, MiB);
  std::ignore = image.value()->flush();
  image.take().reset();
  ASSERT_LT(std::filesystem::file_size(bench.at("disk.qcow2")), 4 * MiB);  // no growth by absurd entries
  const std::vector<u8> after = read_file(bench.at("disk.qcow2"));
  EXPECT_TRUE(std::equal(header.begin(), header.begin() + 112, after.begin()));
  auto file = devices::ImageFile::open(bench.at("disk.qcow2"), false);
  ASSERT_TRUE(file);
  std::ignore = devices::check_qcow2(file.value());
}

INSTANTIATE_TEST_SUITE_P(Rows, Hostile, testing::ValuesIn(kRows),
                         [](const auto& info) { return std::string(info.param.name); });

// Tables that lie where data should go are errors for the guest, not a way into them.
TEST(HostileData, NeverReachesTables) {
  for (const u64 place : {0x10000u, 0x20000u, 0x30000u, 0x40000u}) {
    ImageBench bench;
    bench.must("qemu-img create -f qcow2 disk.qcow2 8M && qemu-io -c 'write -P 1 0 64k' disk.qcow2");
    std::vector<u8> bytes = read_file(bench.at("disk.qcow2"));
    store_be(&bytes[0x40000], place | devices::qcow2::kCopied);
    write_file(bench.at("disk.qcow2"), bytes);
    auto image = bench.open("disk.qcow2", true);
    std::vector<u8> data(512);
    EXPECT_EQ(image->read(0, {buffer(data)}), BlockStatus::IoError) << place;
    EXPECT_EQ(image->write(0, {buffer(data)}), BlockStatus::IoError) << place;
  }
}

// Every length of a good image either opens or is refused, and reads.
TEST(Truncated, AnyLength) {
  ImageBench bench;
  bench.must(
      "qemu-img create -f qcow2 -o cluster_size=4k good.qcow2 8M && qemu-io -c 'write -P 1 0 64k' "
      "good.qcow2");
  const std::vector<u8> whole = read_file(bench.at("good.qcow2"));
  for (u64 length = 0; length < whole.size(); length += length < 200 ? 1 : 1777) {
    write_file(bench.at("cut.qcow2"), std::span(whole).first(length));
    auto image = bench.try_open("cut.qcow2", true);
    if (!image) continue;
    EXPECT_GT(length, 112u);
    std::vector<u8> bytes(64 * KiB);
    std::ignore = image.value()->read(0, {buffer(bytes)});
    std::ignore = image.value()->write(32 * KiB, {buffer(bytes)});
    std::ignore = image.value()->flush();
  }
}

struct ChainRow {
  const char* name;
  const char* command;
  const char* says;
};
class Chains : public testing::TestWithParam<ChainRow> {};

TEST_P(Chains, AreRefused) {
  ImageBench bench;
  bench.must(GetParam().command);
  auto image = bench.try_open("disk.qcow2", false);
  ASSERT_FALSE(image);
  EXPECT_NE(image.error().message.find(GetParam().says), std::string::npos) << image.error().message;
  EXPECT_EQ(image.error().message.find('\n'), std::string::npos);
}

constexpr ChainRow kChainRows[] = {
    {"itself",
     "qemu-img create -f qcow2 disk.qcow2 1M && qemu-img rebase -u -F qcow2 -b disk.qcow2 disk.qcow2",
     "backs itself"},
    {"cycle",
     "qemu-img create -f qcow2 -u -F qcow2 -b b.qcow2 disk.qcow2 1M && "
     "qemu-img create -f qcow2 -u -F qcow2 -b disk.qcow2 b.qcow2 1M",
     "backs itself"},
    {"by_another_name",
     "qemu-img create -f qcow2 -u -F qcow2 -b link.qcow2 disk.qcow2 1M && ln -s disk.qcow2 link.qcow2",
     "backs itself"},
    {"missing", "qemu-img create -f qcow2 -u -F raw -b gone.raw disk.qcow2 1M", "gone.raw: No such file"},
    {"protocol", "qemu-img create -f qcow2 -u -F raw -b nbd:localhost:1 disk.qcow2 1M", "is no file"},
    {"json", "qemu-img create -f qcow2 -u -F raw -b 'json:{\"driver\":\"null-co\"}' disk.qcow2 1M",
     "is no file"},
    {"format", "qemu-img create -f qcow2 -u -F vmdk -b x disk.qcow2 1M", "'vmdk'"},
    {"not_qcow2", "truncate -s 1M x && qemu-img create -f qcow2 -u -F qcow2 -b x disk.qcow2 1M",
     "is no qcow2 image"},
    {"endless",
     "qemu-img create -f qcow2 0.qcow2 1M && for i in $(seq 1 70); do cp 0.qcow2 $i.qcow2; "
     "qemu-img rebase -u -F qcow2 -b $((i-1)).qcow2 $i.qcow2; done && mv 70.qcow2 disk.qcow2",
     "more than 64 files"},
};
INSTANTIATE_TEST_SUITE_P(Rows, Chains, testing::ValuesIn(kChainRows),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tandem::tests
