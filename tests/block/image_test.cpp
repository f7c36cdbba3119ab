// Disk images: content against a disk in memory and against QEMU's tools, in all variants of qcow2.
#include "tests/block/image_bench.h"

#include "devices/backend/block/qcow2_create.h"

namespace tandem::tests {
namespace {

using devices::buffer;

class Images : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    bench.make_raw("base.raw", kBaseSize, 1);
    bench.must(GetParam().command);
    bench.must("qemu-img convert -O raw disk.qcow2 expected.raw");
    model = read_file(bench.at("expected.raw"));
    ASSERT_EQ(model.size(), kDiskSize);
  }
  // Whether QEMU reads the same from the image as stands in the model, and finds nothing wrong.
  void compare_with_qemu() {
    write_file(bench.at("expected.raw"), model);
    bench.must("qemu-img compare -f raw expected.raw -F qcow2 disk.qcow2");
    EXPECT_EQ(bench.qemu_check("disk.qcow2"), 0) << bench.log();
    auto file = devices::ImageFile::open(bench.at("disk.qcow2"), false);
    ASSERT_TRUE(file);
    auto faults = devices::check_qcow2(file.value());
    ASSERT_TRUE(faults) << faults.error().message;
    EXPECT_EQ(faults.value().damage, 0u);
    EXPECT_EQ(faults.value().leaks, 0u);
  }

  ImageBench bench;
  std::vector<u8> model;
};

TEST_P(Images, ReadAsQemuDoes) {
  auto image = bench.open("disk.qcow2", false);
  ASSERT_TRUE(image);
  ASSERT_EQ(image->size(), kDiskSize);
  EXPECT_EQ(read_all(*image), model);
  EXPECT_EQ(image->write(0, {buffer(std::span(model).first(512))}), BlockStatus::ReadOnly);
}

// Random requests in random pieces, at sector granularity.
TEST_P(Images, RandomRequests) {
  constexpr u32 kSeed = 0x51ab;
  std::mt19937 random(kSeed);
  auto image = bench.open("disk.qcow2", true);
  ASSERT_TRUE(image);
  for (int step = 0; step < 400; ++step) {
    SCOPED_TRACE(testing::Message() << "step " << step);
    const u64 sectors = kDiskSize / 512, start = random() % sectors;
    const u64 most = step % 8 == 0 ? 2000 : 40;
    const u64 offset = start * 512, length = std::min(sectors - start, 1 + random() % most) * 512;
    std::vector<u8> data(length);
    const u64 cut = random() % length;
    const devices::Buffers pieces = {buffer(std::span(data).first(cut)),
                                     buffer(std::span(data).subspan(cut))};
    const std::span<u8> place = std::span(model).subspan(offset, length);
    switch (random() % 6) {
      case 0:
        ASSERT_EQ(image->write_zeroes(offset, length), BlockStatus::Ok);
        std::ranges::fill(place, 0);
        break;
      case 1:
        ASSERT_EQ(image->read(offset, pieces), BlockStatus::Ok);
        ASSERT_TRUE(std::ranges::equal(data, place));
        break;
      case 2:
        if (step % 5 == 0) ASSERT_EQ(image->flush(), BlockStatus::Ok);
        break;
      default:
        for (u8& b : data) b = static_cast<u8>(random());
        ASSERT_EQ(image->write(offset, pieces), BlockStatus::Ok);
        std::ranges::copy(data, place.begin());
    }
  }
  EXPECT_EQ(read_all(*image), model);
  image.reset();
  compare_with_qemu();
  EXPECT_EQ(read_all(*bench.open("disk.qcow2", false)), model);
}

// An overlay takes the writes; the image below stays as it was to the byte.
TEST_P(Images, Overlay) {
  const std::vector<u8> before = read_file(bench.at("disk.qcow2"));
  {
    auto overlay = devices::make_overlay(bench.open("disk.qcow2", false));
    ASSERT_TRUE(overlay) << overlay.error().message;
    std::vector<u8> data(100 * KiB, 0x5a);
    ASSERT_EQ(overlay.value()->write(MiB - 512, {buffer(data)}), BlockStatus::Ok);
    ASSERT_EQ(overlay.value()->flush(), BlockStatus::Ok);
    std::ranges::copy(data, model.begin() + MiB - 512);
    EXPECT_EQ(read_all(*overlay.value()), model);
  }
  EXPECT_EQ(read_file(bench.at("disk.qcow2")), before);
}

// next_data() leads past nothing but zeros.
TEST_P(Images, HolesAreZero) {
  auto image = bench.open("disk.qcow2", false);
  u64 at = 0;
  while (at < image->size()) {
    const u64 next = image->next_data(at);
    ASSERT_GE(next, at);
    EXPECT_TRUE(std::all_of(model.begin() + static_cast<i64>(at), model.begin() + static_cast<i64>(next),
                            [](u8 b) { return b == 0; }))
        << at << ".." << next;
    at = next + 4096;
  }
}

// What was discarded is anything; the rest stays.
TEST_P(Images, DiscardHarmsNothingElse) {
  auto image = bench.open("disk.qcow2", true);
  ASSERT_EQ(image->discard(MiB, MiB), BlockStatus::Ok);
  std::vector<u8> now = read_all(*image);
  std::copy(model.begin() + MiB, model.begin() + 2 * MiB, now.begin() + MiB);
  EXPECT_EQ(now, model);
  image.reset();
  EXPECT_EQ(bench.qemu_check("disk.qcow2"), 0) << bench.log();
}

INSTANTIATE_TEST_SUITE_P(Variants, Images, testing::ValuesIn(kVariants),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Snapshots, KeepTheirContent) {
  ImageBench bench;
  bench.make_raw("base.raw", kBaseSize, 1);
  bench.must("qemu-img convert -f raw -O qcow2 base.raw disk.qcow2 && qemu-img snapshot -c first disk.qcow2");
  {
    auto image = bench.open("disk.qcow2", true);
    std::vector<u8> data(3 * MiB, 0x77);
    ASSERT_EQ(image->write(512, {buffer(data)}), BlockStatus::Ok);
  }
  EXPECT_EQ(bench.qemu_check("disk.qcow2"), 0) << bench.log();
  bench.must("qemu-img snapshot -a first disk.qcow2 && qemu-img compare -f raw base.raw -F qcow2 disk.qcow2");
}

// Clusters of 512 bytes: a full disk needs a longer refcount table than the new image has.
TEST(Refcounts, TableMoves) {
  ImageBench bench;
  bench.must("qemu-img create -f qcow2 -o cluster_size=512 disk.qcow2 8M");
  const auto table = [&] {
    return load_be<u64>(&read_file(bench.at("disk.qcow2"))[devices::qcow2::kRefcountTableField]);
  };
  const u64 before = table();
  std::vector<u8> data(8 * MiB);
  for (u64 i = 0; i < data.size(); ++i) data[i] = static_cast<u8>(i >> 9);
  {
    auto image = bench.open("disk.qcow2", true);
    ASSERT_EQ(image->write(0, {buffer(data)}), BlockStatus::Ok);
  }
  EXPECT_NE(table(), before);
  EXPECT_EQ(bench.qemu_check("disk.qcow2"), 0) << bench.log();
  EXPECT_EQ(read_all(*bench.open("disk.qcow2", false)), data);
}

TEST(Raw, LastPartOfASector) {
  ImageBench bench;
  write_file(bench.at("odd.img"), std::vector<u8>(700, 0xaa));
  auto image = bench.open("odd.img", true);
  ASSERT_EQ(image->size(), 1024u);
  std::vector<u8> bytes = read_all(*image);
  EXPECT_EQ(bytes[699], 0xaa);
  EXPECT_EQ(bytes[700], 0);
  ASSERT_EQ(image->write(0, {buffer(bytes)}), BlockStatus::Ok);
  EXPECT_EQ(std::filesystem::file_size(bench.at("odd.img")), 1024u);
}

TEST(Names, FormatIsGuessedFromTheNameAlone) {
  ImageBench bench;
  bench.must(
      "qemu-img create -f qcow2 disk.img 1M && qemu-img create -f qcow2 disk.qcow2 1M && truncate -s 1M "
      "plain.img");
  EXPECT_EQ(bench.open("plain.img", false)->size(), MiB);
  EXPECT_EQ(bench.open("disk.qcow2", false)->size(), MiB);
  EXPECT_EQ(bench.open("disk.img", false, ImageFormat::Qcow2)->size(), MiB);
  auto refused = bench.try_open("disk.img", false);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("disk.img: looks like qcow2"), std::string::npos);
}

struct LockRow {
  const char* name;
  bool first_writes, second_writes, allowed;
};
class Locks : public testing::TestWithParam<LockRow> {};

TEST_P(Locks, OneWriterOrManyReaders) {
  const LockRow& row = GetParam();
  ImageBench bench;
  bench.must("qemu-img create -f qcow2 disk.qcow2 1M");
  auto first = bench.open("disk.qcow2", row.first_writes);
  auto second = bench.try_open("disk.qcow2", row.second_writes);
  EXPECT_EQ(bool(second), row.allowed);
  if (!second) EXPECT_NE(second.error().message.find("disk.qcow2: is "), std::string::npos);
  // QEMU sees the same locks.
  const int qemu =
      bench.shell(row.second_writes ? "qemu-io -c 'write 0 512' disk.qcow2" : "qemu-img info disk.qcow2");
  EXPECT_EQ(qemu == 0, row.allowed) << bench.log();
  first.reset();
  if (second) second.take().reset();
  EXPECT_TRUE(bench.open("disk.qcow2", true));
}

INSTANTIATE_TEST_SUITE_P(Rows, Locks,
                         testing::Values(LockRow{"two_writers", true, true, false},
                                         LockRow{"writer_then_reader", true, false, false},
                                         LockRow{"reader_then_writer", false, true, false},
                                         LockRow{"two_readers", false, false, true}),
                         [](const auto& info) { return std::string(info.param.name); });

// A backing file is a reader's: others may back on it too, nobody may write to it.
TEST(Chains, BackingFileIsLocked) {
  ImageBench bench;
  bench.make_raw("base.raw", MiB, 1);
  bench.must(
      "qemu-img create -f qcow2 -F raw -b base.raw a.qcow2 && qemu-img create -f qcow2 -F raw -b base.raw "
      "b.qcow2");
  auto a = bench.open("a.qcow2", true), b = bench.open("b.qcow2", true);
  EXPECT_FALSE(bench.try_open("base.raw", true));
}

}  // namespace
}  // namespace tandem::tests
