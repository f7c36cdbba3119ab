// The asynchronous back ends, by threads and by io_uring: completions, many requests at once, drain.
#include <atomic>
#include <future>

#include "devices/backend/block/uring_backend.h"
#include "tests/block/image_bench.h"

namespace tandem::tests {
namespace {

using devices::BlockOp;
using devices::BlockRequest;
using devices::buffer;
using devices::ThreadedBlockBackend;
using devices::UringBlockBackend;

struct Kind {
  const char* name;
  std::unique_ptr<devices::BlockBackend> (*make)(std::unique_ptr<devices::Image>&);
};
const Kind kKinds[] = {
    {"threads",
     [](std::unique_ptr<devices::Image>& image) -> std::unique_ptr<devices::BlockBackend> {
       return std::make_unique<ThreadedBlockBackend>(std::move(image));
     }},
    {"io_uring", UringBlockBackend::create},
};

class Backend : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    bench.must("truncate -s 1M probe.img");
    auto image = bench.open("probe.img", false);
    if (!GetParam().make(image)) GTEST_SKIP() << "this host has no io_uring for this process";
  }
  std::unique_ptr<devices::BlockBackend> make(std::string_view name, bool writable) {
    auto image = bench.open(name, writable);
    return GetParam().make(image);
  }
  ImageBench bench;
};
INSTANTIATE_TEST_SUITE_P(Kinds, Backend, testing::ValuesIn(kKinds),
                         [](const auto& info) { return info.param.name; });

BlockStatus carry_out(devices::BlockBackend& backend, BlockRequest request) {
  std::promise<BlockStatus> promise;
  request.done = [&](BlockStatus s) { promise.set_value(s); };
  backend.submit(std::move(request));
  return promise.get_future().get();
}

TEST_P(Backend, EveryOperation) {
  bench.must("qemu-img create -f qcow2 disk.qcow2 4M");
  const auto made = make("disk.qcow2", true);
  devices::BlockBackend& backend = *made;
  EXPECT_EQ(backend.geometry().bytes, 4 * MiB);
  EXPECT_FALSE(backend.geometry().read_only);
  std::vector<u8> out(8192, 0x42), in(8192), more(8192);
  EXPECT_EQ(carry_out(backend, {BlockOp::Write, 512, 8192, {buffer(out)}, {}}), BlockStatus::Ok);
  EXPECT_EQ(carry_out(backend, {BlockOp::Flush, 0, 0, {}, {}}), BlockStatus::Ok);
  EXPECT_EQ(carry_out(backend, {BlockOp::Read, 512, 8192, {buffer(in)}, {}}), BlockStatus::Ok);
  EXPECT_EQ(in, out);
  EXPECT_EQ(carry_out(backend, {BlockOp::WriteZeroes, 1024, 1024, {}, {}}), BlockStatus::Ok);
  EXPECT_EQ(carry_out(backend, {BlockOp::Discard, 2048, 1024, {}, {}}), BlockStatus::Ok);
  EXPECT_EQ(carry_out(backend, {BlockOp::Read, 512, 8192, {buffer(more)}, {}}), BlockStatus::Ok);
  EXPECT_EQ(more[0], 0x42);
  EXPECT_EQ(more[512], 0);
}

TEST_P(Backend, ReadOnly) {
  bench.must("truncate -s 1M disk.img");
  const auto made = make("disk.img", false);
  devices::BlockBackend& backend = *made;
  EXPECT_TRUE(backend.geometry().read_only);
  std::vector<u8> bytes(512);
  EXPECT_EQ(carry_out(backend, {BlockOp::Write, 0, 512, {buffer(bytes)}, {}}), BlockStatus::ReadOnly);
}

// Whether the host has it at hand is the host's business; what it then gives is right.
TEST_P(Backend, ReadsAtOnce) {
  bench.must("truncate -s 1M disk.img; qemu-img create -f qcow2 disk.qcow2 1M");
  for (const char* name : {"disk.img", "disk.qcow2"}) {
    SCOPED_TRACE(name);
    std::vector<u8> out(8192, 0x42), in(8192);
    const auto backend = make(name, true);
    ASSERT_EQ(carry_out(*backend, {BlockOp::Write, 512, 8192, {buffer(out)}, {}}), BlockStatus::Ok);
    if (backend->read_now(512, {buffer(std::span(in).first(100)), buffer(std::span(in).subspan(100))})) {
      EXPECT_EQ(in, out);
    }
  }
  const auto raw = make("disk.img", true), qcow2 = make("disk.qcow2", false);
  std::vector<u8> in(8192);
  EXPECT_FALSE(raw->read_now(MiB - 512, {buffer(in)})) << "behind the end";
  EXPECT_FALSE(qcow2->read_now(0, {buffer(in)})) << "its tables have to be read";
}

// Many writers into neighbouring pieces of the same clusters, each of which submits the next from its
// completion.
class Chained {
 public:
  static constexpr u64 kPiece = 4096, kWriters = 16, kSteps = 64;
  explicit Chained(devices::BlockBackend& backend) : backend_(backend) {
    for (u64 w = 0; w < kWriters; ++w) step(w, 0);
  }
  u64 done() const { return done_; }
  static u8 content(u64 piece) { return static_cast<u8>(piece * 7 + 1); }

 private:
  void step(u64 writer, u64 number) {
    if (number == kSteps) return;
    const u64 piece = number * kWriters + writer;
    auto bytes = std::make_shared<std::vector<u8>>(kPiece, content(piece));
    backend_.submit({BlockOp::Write,
                     piece * kPiece,
                     kPiece,
                     {buffer(*bytes)},
                     [this, writer, number, bytes](BlockStatus s) {
                       if (s) ++done_;
                       step(writer, number + 1);
                     }});
    if (number % 16 == 0) backend_.submit({BlockOp::Flush, 0, 0, {}, {}});
  }

  devices::BlockBackend& backend_;
  std::atomic<u64> done_ = 0;
};

TEST_P(Backend, ManyAtOnce) {
  bench.make_raw("base.raw", 8 * MiB, 3);
  for (const char* options : {"-o cluster_size=64k", "-o cluster_size=512", "-F raw -b base.raw"}) {
    SCOPED_TRACE(options);
    bench.must(std::string("rm -f disk.qcow2; qemu-img create -f qcow2 ") + options + " disk.qcow2 8M");
    {
      const auto backend = make("disk.qcow2", true);
      Chained chained(*backend);
      ASSERT_TRUE(backend->drain());
      EXPECT_EQ(chained.done(), Chained::kWriters * Chained::kSteps);
    }
    EXPECT_EQ(bench.qemu_check("disk.qcow2"), 0) << bench.log();
    const std::vector<u8> now = read_all(*bench.open("disk.qcow2", false));
    for (u64 i = 0; i < Chained::kWriters * Chained::kSteps * Chained::kPiece; ++i)
      ASSERT_EQ(now[i], Chained::content(i / Chained::kPiece)) << i;
  }
}

// More requests than the ring has room for, in pieces, over the end of a file that ends within a sector.
TEST_P(Backend, RawInPieces) {
  constexpr u64 kCount = 1000, kBytes = 4096;
  bench.make_raw("disk.img", kCount * kBytes, 5);
  const std::vector<u8> content = read_file(bench.at("disk.img"));
  bench.must("truncate -s 4095900 disk.img");
  const auto backend = make("disk.img", true);
  std::vector<u8> all(kCount * kBytes, 0xee);
  std::atomic<u64> good = 0;
  for (u64 i = 0; i < kCount; ++i) {
    const std::span<u8> piece = std::span(all).subspan(i * kBytes, kBytes);
    const u64 length =
        std::min(kBytes, backend->geometry().bytes - std::min(i * kBytes, backend->geometry().bytes));
    if (length == 0) break;
    backend->submit({BlockOp::Read,
                     i * kBytes,
                     length,
                     {buffer(piece.first(100)), buffer(piece.subspan(100, length - 100))},
                     [&](BlockStatus s) { good += s == BlockStatus::Ok; }});
  }
  ASSERT_TRUE(backend->drain());
  EXPECT_EQ(good, kCount);
  EXPECT_TRUE(std::equal(content.begin(), content.begin() + 4095900, all.begin()));
  EXPECT_EQ(all[4095900], 0);
  EXPECT_EQ(all[4095999], 0);
}

// A write to clusters that a backing file or a snapshot has goes elsewhere; what is read from it comes from
// there.
TEST_P(Backend, BackingFileStaysAsItWas) {
  bench.make_raw("base.raw", MiB, 7);
  const std::vector<u8> before = read_file(bench.at("base.raw"));
  bench.must("qemu-img create -f qcow2 -F raw -b base.raw disk.qcow2");
  std::vector<u8> in(8192), out(4096, 0x42), again(8192);
  {
    const auto backend = make("disk.qcow2", true);
    EXPECT_EQ(carry_out(*backend, {BlockOp::Read, 4096, 8192, {buffer(in)}, {}}), BlockStatus::Ok);
    EXPECT_EQ(carry_out(*backend, {BlockOp::Write, 8192, 4096, {buffer(out)}, {}}), BlockStatus::Ok);
    EXPECT_EQ(carry_out(*backend, {BlockOp::Write, 8192, 4096, {buffer(out)}, {}}), BlockStatus::Ok);
    EXPECT_EQ(carry_out(*backend, {BlockOp::Read, 4096, 8192, {buffer(again)}, {}}), BlockStatus::Ok);
  }
  EXPECT_TRUE(std::equal(in.begin(), in.end(), before.begin() + 4096));
  EXPECT_TRUE(std::equal(again.begin(), again.begin() + 4096, before.begin() + 4096));
  EXPECT_TRUE(std::equal(again.begin() + 4096, again.end(), out.begin()));
  EXPECT_EQ(read_file(bench.at("base.raw")), before);
  EXPECT_EQ(bench.qemu_check("disk.qcow2"), 0) << bench.log();
}

// What the file can't take after all: the status that the threads find.
TEST_P(Backend, FileGoesAway) {
  bench.must("truncate -s 1M disk.img");
  const auto backend = make("disk.img", true);
  std::vector<u8> bytes(4096, 1);
  bench.must("truncate -s 0 disk.img");
  EXPECT_EQ(carry_out(*backend, {BlockOp::Read, 8192, 4096, {buffer(bytes)}, {}}), BlockStatus::Ok);
  EXPECT_EQ(bytes, std::vector<u8>(4096, 0));
}

}  // namespace
}  // namespace tandem::tests
