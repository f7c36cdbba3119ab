// The asynchronous back end: completions, many requests at once, drain.
#include <atomic>
#include <future>

#include "devices/backend/block/threaded_backend.h"
#include "tests/block/image_bench.h"

namespace tandem::tests {
namespace {

using devices::BlockOp;
using devices::BlockRequest;
using devices::buffer;
using devices::ThreadedBlockBackend;

BlockStatus carry_out(devices::BlockBackend& backend, BlockRequest request) {
  std::promise<BlockStatus> promise;
  request.done = [&](BlockStatus s) { promise.set_value(s); };
  backend.submit(std::move(request));
  return promise.get_future().get();
}

TEST(Backend, EveryOperation) {
  ImageBench bench;
  bench.must("qemu-img create -f qcow2 disk.qcow2 4M");
  ThreadedBlockBackend backend(bench.open("disk.qcow2", true));
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

TEST(Backend, ReadOnly) {
  ImageBench bench;
  bench.must("truncate -s 1M disk.img");
  ThreadedBlockBackend backend(bench.open("disk.img", false));
  EXPECT_TRUE(backend.geometry().read_only);
  std::vector<u8> bytes(512);
  EXPECT_EQ(carry_out(backend, {BlockOp::Write, 0, 512, {buffer(bytes)}, {}}), BlockStatus::ReadOnly);
}

// Whether the host has it at hand is the host's business; what it then gives is right.
TEST(Backend, ReadsAtOnce) {
  ImageBench bench;
  bench.must("truncate -s 1M disk.img; qemu-img create -f qcow2 disk.qcow2 1M");
  std::vector<u8> out(8192, 0x42), in(8192);
  ThreadedBlockBackend raw(bench.open("disk.img", true)), qcow2(bench.open("disk.qcow2", true));
  ASSERT_EQ(carry_out(raw, {BlockOp::Write, 512, 8192, {buffer(out)}, {}}), BlockStatus::Ok);
  if (raw.read_now(512, {buffer(std::span(in).first(100)), buffer(std::span(in).subspan(100))})) {
    EXPECT_EQ(in, out);
  }
  EXPECT_FALSE(raw.read_now(MiB - 512, {buffer(in)})) << "behind the end";
  EXPECT_FALSE(qcow2.read_now(0, {buffer(in)})) << "its tables may have to be read";
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

TEST(Backend, ManyAtOnce) {
  for (const char* options : {"-o cluster_size=64k", "-o cluster_size=512", "-F raw -b base.raw"}) {
    SCOPED_TRACE(options);
    ImageBench bench;
    bench.make_raw("base.raw", 8 * MiB, 3);
    bench.must(std::string("qemu-img create -f qcow2 ") + options + " disk.qcow2 8M");
    {
      ThreadedBlockBackend backend(bench.open("disk.qcow2", true));
      Chained chained(backend);
      ASSERT_TRUE(backend.drain());
      EXPECT_EQ(chained.done(), Chained::kWriters * Chained::kSteps);
    }
    EXPECT_EQ(bench.qemu_check("disk.qcow2"), 0) << bench.log();
    const std::vector<u8> now = read_all(*bench.open("disk.qcow2", false));
    for (u64 i = 0; i < Chained::kWriters * Chained::kSteps * Chained::kPiece; ++i)
      ASSERT_EQ(now[i], Chained::content(i / Chained::kPiece)) << i;
  }
}

}  // namespace
}  // namespace tandem::tests
