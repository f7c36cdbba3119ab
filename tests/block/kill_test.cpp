// A process that writes to an image is killed at any moment: what it had flushed is there, and QEMU finds no
// damage.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/bits.h"
#include "tests/block/image_bench.h"

namespace tandem::tests {
namespace {

using devices::buffer;

constexpr u64 kPiece = 4096, kPieces = kDiskSize / kPiece;
constexpr u32 kSeed = 0xdead;

// The writer's choices, which the checker makes again.
class Script {
 public:
  u64 next_piece() { return random_() % kPieces; }
  bool flushes_after(u64 step) const { return step % 7 == 6; }

 private:
  std::mt19937 random_{kSeed};
};

std::vector<u8> content(u64 piece, u64 step) {
  std::vector<u8> bytes(kPiece);
  for (u64 i = 0; i < kPiece; i += 16) {
    store_le(bytes.data() + i, step + 1);
    store_le(bytes.data() + i + 8, piece);
  }
  return bytes;
}

// Writes until killed; says through the pipe how many steps are flushed.
[[noreturn]] void write_until_killed(Image& image, int pipe) {
  Script script;
  for (u64 step = 0;; ++step) {
    const u64 piece = script.next_piece();
    std::vector<u8> bytes = content(piece, step);
    if (!image.write(piece * kPiece, {buffer(bytes)})) _exit(1);
    if (!script.flushes_after(step)) continue;
    if (!image.flush()) _exit(1);
    const u64 flushed = step + 1;
    if (write(pipe, &flushed, sizeof flushed) != sizeof flushed) _exit(1);
  }
}

// Steps that the child had flushed when it was killed, `micros` after its first flush.
u64 run_and_kill(const ImageBench& bench, unsigned micros) {
  int pipe[2];
  if (::pipe(pipe) != 0) return 0;
  const pid_t child = fork();
  if (child == 0) {
    auto image = bench.try_open("disk.qcow2", true);
    if (!image) _exit(2);
    write_until_killed(*image.value(), pipe[1]);
  }
  close(pipe[1]);
  u64 flushed = 0, said = 0;
  if (read(pipe[0], &said, sizeof said) == sizeof said) flushed = said;
  usleep(micros);
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself: " << status;
  while (read(pipe[0], &said, sizeof said) == sizeof said) flushed = said;
  close(pipe[0]);
  return flushed;
}

// A disk's unit: a write of more that was not flushed may be there in part.
constexpr u64 kSector = 512;

void check_content(Image& image, const std::vector<u8>& before, u64 flushed) {
  std::vector<u64> due(kPieces, 0);  // the step, plus one, whose content must be there at least
  Script script;
  for (u64 step = 0; step < flushed; ++step) due[script.next_piece()] = step + 1;
  const std::vector<u8> now = read_all(image);
  for (u64 at = 0; at < kPieces * kPiece; at += kSector) {
    const u64 piece = at / kPiece;
    const std::span<const u8> there = std::span(now).subspan(at, kSector);
    const bool untouched = std::ranges::equal(there, std::span(before).subspan(at, kSector));
    if (untouched && due[piece] == 0) continue;
    const u64 step = load_le<u64>(there.data());
    ASSERT_GE(step, std::max<u64>(due[piece], 1))
        << "sector at " << at << ", " << flushed << " steps flushed";
    const std::vector<u8> whole = content(piece, step - 1);
    ASSERT_TRUE(std::ranges::equal(there, std::span(whole).first(kSector))) << "sector at " << at;
  }
}

class Killed : public testing::TestWithParam<Variant> {};

TEST_P(Killed, LosesNothingFlushed) {
  for (const unsigned micros : {0u, 700u, 3000u, 11000u, 40000u, 90000u}) {
    SCOPED_TRACE(testing::Message() << micros << " us");
    ImageBench bench;
    bench.make_raw("base.raw", kBaseSize, 1);
    bench.must(GetParam().command);
    bench.must("qemu-img convert -O raw disk.qcow2 before.raw");
    const u64 flushed = run_and_kill(bench, micros);
    ASSERT_GT(flushed, 0u);
    const int status = bench.qemu_check("disk.qcow2");
    ASSERT_TRUE(status == 0 || status == 3) << bench.log();
    auto image = bench.open("disk.qcow2", false);
    ASSERT_TRUE(image);
    check_content(*image, read_file(bench.at("before.raw")), flushed);
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, Killed, testing::ValuesIn(kVariants),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tandem::tests
