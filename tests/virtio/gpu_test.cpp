// virtio-gpu's commands (VIRTIO 1.2, 5.7.6), what the screen shows of them, and sizes that are asked for.
#include "devices/virtio/gpu/gpu.h"

#include <numeric>
#include <thread>

#include "devices/virtio/gpu/edid.h"
#include "tests/virtio/virtio_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices;
using namespace devices::virtio;
using namespace devices::virtio::gpu;
using Bytes = std::vector<u8>;

constexpr u64 kEdidFeature = 1 << 1;
constexpr u64 kRequest = 0x30000, kAnswer = 0x31000, kPixels = 0x50000;
constexpr u32 kAnswerSize = 0x800;
constexpr Rgb kRed{255, 0, 0}, kGreen{0, 255, 0}, kBlack{};

template <class... T>
Bytes pack(const T&... values) {
  Bytes out;
  const auto add = [&](const auto& v) {
    const auto raw = std::bit_cast<std::array<u8, sizeof v>>(v);
    out.insert(out.end(), raw.begin(), raw.end());
  };
  (add(values), ...);
  return out;
}

class GpuTest : public VirtioTest {
 protected:
  GpuTest() {
    auto made = std::make_unique<Gpu>(bench.context(), "gpu");
    device = made.get();
    plug(std::move(made));
  }
  void begin(RingForm form = {false, false, true}) {
    negotiate(form.features() | kEdidFeature);
    ASSERT_TRUE(status() & kFeaturesOk);
    use_msix(2);
    for (u16 q = 0; q < 2; ++q) {
      rings.emplace_back(memory(), form, 16, kRing + 0x8000 * q);
      set_up_queue(q, rings.back());
    }
    go();
  }
  // The answer to a request on one of the queues.
  Bytes ask(const Header& header, const Bytes& body, unsigned queue = 0) {
    Bytes request = pack(header);
    request.insert(request.end(), body.begin(), body.end());
    memory().write(Gpa{kRequest}, request);
    rings[queue].add(1, {{kRequest, static_cast<u32>(request.size())}, {kAnswer, kAnswerSize, true}});
    kick(queue);
    for (unsigned i = 0; i < 20000; ++i) {
      if (const auto used = rings[queue].take_used()) return in_memory(kAnswer, used->written);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ADD_FAILURE() << "no answer";
    return Bytes(sizeof(Header));
  }
  template <class T>
  u32 command(u32 type, const T& body) {
    return load_le<u32>(ask({.type = type}, pack(body), type >= kUpdateCursor ? 1 : 0).data());
  }
  // A resource whose backing lies in two pieces, the second one first in memory.
  void make_resource(u32 number, u32 width, u32 height, u32 format = kB8G8R8X8) {
    ASSERT_EQ(command(kCreate2d, Create2d{number, format, width, height}), kOk);
    const u32 bytes = width * height * 4, first = bytes / 2 / 4 * 4;
    const Bytes entries = pack(AttachBacking{number, 2}, BackingEntry{kPixels + 0x8000, first, 0},
                               BackingEntry{kPixels, bytes - first, 0});
    ASSERT_EQ(load_le<u32>(ask({.type = kAttachBacking}, entries).data()), kOk);
    backing_first = first;
  }
  // A pixel of the backing, blue, green, red, alpha.
  void draw(u64 offset, std::array<u8, 4> pixel) {
    const u64 at = offset < backing_first ? kPixels + 0x8000 + offset : kPixels + offset - backing_first;
    memory().write(Gpa{at}, pixel);
  }
  void transfer_and_flush(u32 number, const Rect& rect, u64 offset) {
    ASSERT_EQ(command(kTransferToHost2d, Transfer2d{rect, offset, number, 0}), kOk);
    ASSERT_EQ(command(gpu::kFlush, Flush{rect, number, 0}), kOk);
  }

  Gpu* device;
  std::vector<DriverRing> rings;
  u32 backing_first = 0;
};

TEST_F(GpuTest, Configuration) {
  EXPECT_EQ(transport->read_config(0, 4), 0x10501af4u);
  EXPECT_EQ(bench.read(kConfig + 8, 4), 1u) << "screens";
  EXPECT_EQ(bench.read(kConfig + 12, 4), 0u) << "capability sets";
}

TEST_F(GpuTest, DisplayInfoAndFences) {
  begin({true, true, false});
  const Bytes answer =
      ask({.type = kGetDisplayInfo, .flags = kFence, .fence = 0x123456789a, .context = 7}, {});
  ASSERT_EQ(answer.size(), sizeof(Header) + 16 * sizeof(DisplayInfo));
  EXPECT_EQ(load_le<u32>(&answer[0]), kOkDisplayInfo);
  EXPECT_EQ(load_le<u32>(&answer[4]), kFence);
  EXPECT_EQ(load_le<u64>(&answer[8]), 0x123456789au);
  EXPECT_EQ(load_le<u32>(&answer[16]), 7u);
  EXPECT_EQ(load_le<u32>(&answer[24 + 8]), 1280u);
  EXPECT_EQ(load_le<u32>(&answer[24 + 12]), 800u);
  EXPECT_EQ(load_le<u32>(&answer[24 + 16]), 1u) << "the first one is enabled";
  EXPECT_EQ(load_le<u32>(&answer[48 + 16]), 0u) << "the second one is not";
}

TEST_F(GpuTest, ShowsWhatWasTransferred) {
  begin();
  make_resource(5, 16, 8);
  ASSERT_EQ(command(kSetScanout, SetScanout{{0, 0, 16, 8}, 0, 5}), kOk);
  draw((3 * 16 + 2) * 4, {0, 0, 255, 0});
  draw((6 * 16 + 15) * 4, {0, 255, 0, 0});
  EXPECT_EQ(device->picture(), Picture(16, 8)) << "nothing was transferred";
  transfer_and_flush(5, {0, 0, 16, 8}, 0);
  const Picture shown = device->picture();
  EXPECT_EQ(shown.row(3)[2], kRed);
  EXPECT_EQ(shown.row(6)[15], kGreen);
  EXPECT_EQ(shown.row(3)[3], kBlack);
}

// The offset is that of the rectangle's first pixel in a picture of the whole width.
TEST_F(GpuTest, TransfersARectangle) {
  begin();
  make_resource(1, 16, 8);
  ASSERT_EQ(command(kSetScanout, SetScanout{{0, 0, 16, 8}, 0, 1}), kOk);
  for (u64 i = 0; i < 16 * 8; ++i) draw(4 * i, {0, 0, 255, 0});
  transfer_and_flush(1, {2, 3, 4, 2}, (3 * 16 + 2) * 4);
  const Picture shown = device->picture();
  for (u32 y = 0; y < 8; ++y)
    for (u32 x = 0; x < 16; ++x)
      EXPECT_EQ(shown.row(y)[x], x >= 2 && x < 6 && y >= 3 && y < 5 ? kRed : kBlack) << x << ',' << y;
}

TEST_F(GpuTest, Formats) {
  begin();
  // Where red is, of four bytes in memory.
  const std::pair<u32, unsigned> rows[] = {{kB8G8R8A8, 2}, {kB8G8R8X8, 2}, {kA8R8G8B8, 1}, {kX8R8G8B8, 1},
                                           {kR8G8B8A8, 0}, {kX8B8G8R8, 3}, {kA8B8G8R8, 3}, {kR8G8B8X8, 0}};
  for (const auto& [format, red] : rows) {
    make_resource(9, 4, 1, format);
    ASSERT_EQ(command(kSetScanout, SetScanout{{0, 0, 4, 1}, 0, 9}), kOk);
    std::array<u8, 4> pixel{};
    pixel[red] = 255;
    draw(0, pixel);
    transfer_and_flush(9, {0, 0, 4, 1}, 0);
    EXPECT_EQ(device->picture().row(0)[0], kRed) << "format " << format;
    ASSERT_EQ(command(kUnref, ResourceOnly{9, 0}), kOk);
  }
}

TEST_F(GpuTest, ViewGetsTheRowsThatChanged) {
  begin();
  const auto view = device->open_view();
  EXPECT_EQ(view->refresh(true), (std::vector<Rows>{{0, 800}})) << "dark at first";
  EXPECT_TRUE(view->refresh(true).empty());
  make_resource(1, 16, 8);
  ASSERT_EQ(command(kSetScanout, SetScanout{{0, 0, 16, 8}, 0, 1}), kOk);
  EXPECT_EQ(view->refresh(true), (std::vector<Rows>{{0, 8}}));
  EXPECT_EQ(view->picture().width, 16u);
  draw((2 * 16) * 4, {0, 0, 255, 0});
  transfer_and_flush(1, {0, 2, 16, 1}, 2 * 16 * 4);
  transfer_and_flush(1, {0, 5, 16, 2}, 5 * 16 * 4);
  EXPECT_EQ(view->refresh(true), (std::vector<Rows>{{2, 1}, {5, 2}}));
  EXPECT_EQ(view->picture(), device->picture());
  EXPECT_EQ(view->picture().row(2)[0], kRed);
}

// What was looked at is drawn as it was, whatever the driver has done meanwhile.
TEST_F(GpuTest, ALookIsDrawnWithoutTheDevice) {
  begin();
  make_resource(1, 16, 8);
  ASSERT_EQ(command(kSetScanout, SetScanout{{0, 0, 16, 8}, 0, 1}), kOk);
  draw(0, {0, 0, 255, 0});
  transfer_and_flush(1, {0, 0, 16, 8}, 0);
  gpu::Look look;
  u64 seen = 0;
  device->look(look, seen);
  const Picture before = device->picture();
  draw(0, {0, 255, 0, 0});
  transfer_and_flush(1, {0, 0, 16, 1}, 0);
  Picture picture;
  EXPECT_EQ(look.draw(picture), (std::vector<Rows>{{0, 8}}));
  EXPECT_EQ(picture, before);
  device->look(look, seen);
  ASSERT_EQ(command(kUnref, ResourceOnly{1, 0}), kOk);
  EXPECT_EQ(look.draw(picture), (std::vector<Rows>{{0, 1}}));
  EXPECT_EQ(picture.row(0)[0], kGreen);
  device->look(look, seen);
  look.draw(picture);
  EXPECT_EQ(picture, Picture(16, 8)) << "dark";
}

// A cursor that lies across each edge is cut there.
TEST_F(GpuTest, CursorAcrossTheEdges) {
  begin();
  make_resource(1, 16, 8);
  ASSERT_EQ(command(kSetScanout, SetScanout{{0, 0, 16, 8}, 0, 1}), kOk);
  make_resource(2, 4, 4, kB8G8R8A8);
  for (u64 i = 0; i < 16; ++i) draw(4 * i, {0, 255, 0, 255});
  ASSERT_EQ(command(kTransferToHost2d, Transfer2d{{0, 0, 4, 4}, 0, 2, 0}), kOk);
  const std::pair<u32, u32> corners[] = {{0, 0}, {15, 0}, {0, 7}, {15, 7}};
  for (const auto& [x, y] : corners) {
    ASSERT_EQ(command(kUpdateCursor, CursorCommand{0, x, y, 0, 2, 2, 2, 0}), kOk);
    Picture wanted(16, 8);
    for (u32 row = 0; row < 8; ++row)
      for (u32 column = 0; column < 16; ++column)
        if (column + 2 >= x && column < x + 2 && row + 2 >= y && row < y + 2)
          wanted.row(row)[column] = kGreen;
    EXPECT_EQ(device->picture(), wanted) << x << ',' << y;
  }
  ASSERT_EQ(command(kUpdateCursor, CursorCommand{0, 40, 40, 0, 2, 2, 2, 0}), kOk);
  EXPECT_EQ(device->picture(), Picture(16, 8)) << "outside";
}

TEST_F(GpuTest, CursorLiesOverThePicture) {
  begin();
  make_resource(1, 16, 8);
  ASSERT_EQ(command(kSetScanout, SetScanout{{0, 0, 16, 8}, 0, 1}), kOk);
  make_resource(2, 2, 2, kB8G8R8A8);
  draw(0, {0, 255, 0, 255});
  draw(4, {0, 0, 128, 128});
  ASSERT_EQ(command(kTransferToHost2d, Transfer2d{{0, 0, 2, 2}, 0, 2, 0}), kOk);
  ASSERT_EQ(command(kUpdateCursor, CursorCommand{0, 5, 4, 0, 2, 1, 1, 0}), kOk);
  Picture shown = device->picture();
  EXPECT_EQ(shown.row(3)[4], kGreen) << "its hot spot is at 5,4";
  EXPECT_EQ(shown.row(3)[5], (Rgb{128, 0, 0})) << "half transparent, over black";
  EXPECT_EQ(shown.row(4)[4], kBlack) << "transparent";
  const auto view = device->open_view();
  view->refresh(true);
  ASSERT_EQ(command(kMoveCursor, CursorCommand{0, 0, 0, 0, 0, 0, 0, 0}), kOk);
  EXPECT_EQ(view->refresh(true), (std::vector<Rows>{{0, 1}, {3, 2}})) << "where it was, and where it is";
  shown = device->picture();
  EXPECT_EQ(shown.row(3)[4], kBlack);
  ASSERT_EQ(command(kUpdateCursor, CursorCommand{0, 0, 0, 0, 0, 0, 0, 0}), kOk) << "hidden";
  EXPECT_EQ(device->picture(), Picture(16, 8));
}

TEST_F(GpuTest, RefusesWhatIsWrong) {
  begin();
  make_resource(1, 16, 8);
  const Rect all{0, 0, 16, 8};
  const std::tuple<u32, Bytes, u32, const char*> rows[] = {
      {kCreate2d, pack(Create2d{1, kB8G8R8X8, 4, 4}), kBadResource, "there already"},
      {kCreate2d, pack(Create2d{0, kB8G8R8X8, 4, 4}), kBadResource, "zero is none"},
      {kCreate2d, pack(Create2d{2, 99, 4, 4}), kBadParameter, "format"},
      {kCreate2d, pack(Create2d{2, kB8G8R8X8, 0, 4}), kBadParameter, "no width"},
      {kCreate2d, pack(Create2d{2, kB8G8R8X8, ~0u, ~0u}), kOutOfMemory, "huge"},
      {kCreate2d, pack(Create2d{2, kB8G8R8X8, 8192, 8192}), kOutOfMemory, "more than all"},
      {kCreate2d, pack(u32{2}), kBadParameter, "too short"},
      {kUnref, pack(ResourceOnly{7, 0}), kBadResource, "unknown"},
      {kSetScanout, pack(SetScanout{all, 1, 1}), kBadScanout, "one screen"},
      {kSetScanout, pack(SetScanout{all, 0, 7}), kBadResource, "unknown"},
      {kSetScanout, pack(SetScanout{{8, 0, 16, 8}, 0, 1}), kBadParameter, "outside"},
      {kSetScanout, pack(SetScanout{{~0u, 0, 2, 8}, 0, 1}), kBadParameter, "around the end"},
      {kSetScanout, pack(SetScanout{{0, 0, 0, 8}, 0, 1}), kBadParameter, "nothing"},
      {gpu::kFlush, pack(Flush{{0, 0, 17, 8}, 1, 0}), kBadParameter, "outside"},
      {kTransferToHost2d, pack(Transfer2d{all, 4, 1, 0}), kBadParameter, "behind the backing"},
      {kTransferToHost2d, pack(Transfer2d{all, ~u64{0}, 1, 0}), kBadParameter, "around the end"},
      {kTransferToHost2d, pack(Transfer2d{{0, 4, 16, 5}, 0, 1, 0}), kBadParameter, "outside"},
      {kAttachBacking, pack(AttachBacking{1, 1}, BackingEntry{kPixels, 512, 0}), kBadResource, "has one"},
      {kDetachBacking, pack(ResourceOnly{7, 0}), kBadResource, "unknown"},
      {kGetEdid, pack(GetEdid{1, 0}), kBadScanout, "one screen"},
      {0x999, {}, kUnspecified, "no command"},
      {kUpdateCursor, pack(CursorCommand{}), kUnspecified, "in the wrong queue"},
  };
  for (const auto& [type, body, expected, what] : rows)
    EXPECT_EQ(load_le<u32>(ask({.type = type}, body).data()), expected) << std::hex << type << ": " << what;
  EXPECT_EQ(command(kDetachBacking, ResourceOnly{1, 0}), kOk);
  EXPECT_EQ(command(kTransferToHost2d, Transfer2d{all, 0, 1, 0}), kBadResource) << "without backing";
  EXPECT_EQ(load_le<u32>(ask({.type = kAttachBacking}, pack(AttachBacking{1, 1000}, BackingEntry{})).data()),
            kBadParameter)
      << "more entries than there are";
}

TEST_F(GpuTest, BackingMayLeadNowhere) {
  begin();
  ASSERT_EQ(command(kCreate2d, Create2d{1, kB8G8R8X8, 16, 8}), kOk);
  const Bytes entries = pack(AttachBacking{1, 1}, BackingEntry{u64{1} << 45, 512, 0});
  ASSERT_EQ(load_le<u32>(ask({.type = kAttachBacking}, entries).data()), kOk);
  EXPECT_EQ(command(kTransferToHost2d, Transfer2d{{0, 0, 16, 8}, 0, 1, 0}), kBadParameter);
}

TEST_F(GpuTest, GoneResourceLeavesADarkScreen) {
  begin();
  make_resource(1, 16, 8);
  ASSERT_EQ(command(kSetScanout, SetScanout{{0, 0, 16, 8}, 0, 1}), kOk);
  draw(0, {0, 0, 255, 0});
  transfer_and_flush(1, {0, 0, 16, 8}, 0);
  ASSERT_EQ(command(kUnref, ResourceOnly{1, 0}), kOk);
  EXPECT_EQ(device->picture(), Picture(16, 8));
  set_status(0);
  EXPECT_EQ(device->picture(), Picture(1280, 800)) << "after a reset";
}

TEST_F(GpuTest, SizeThatIsAskedFor) {
  device->want_size(1024, 700);
  EXPECT_EQ(device->picture(), Picture(1024, 700)) << "dark, until the driver is there";
  begin();
  msi.take();
  device->want_size(1920, 1080);
  EXPECT_EQ(msi.take(), std::vector<u32>{kConfigData});
  EXPECT_EQ(bench.read(kConfig, 4), 1u);
  bench.write(kConfig + 4, 1, 4);
  EXPECT_EQ(bench.read(kConfig, 4), 0u);
  const Bytes info = ask({.type = kGetDisplayInfo}, {});
  EXPECT_EQ(load_le<u32>(&info[24 + 8]), 1920u);
  const Bytes answer = ask({.type = kGetEdid}, pack(GetEdid{0, 0}));
  ASSERT_EQ(answer.size(), sizeof(Header) + 8 + 1024);
  EXPECT_EQ(load_le<u32>(&answer[0]), kOkEdid);
  EXPECT_EQ(load_le<u32>(&answer[24]), 128u);
  const auto expected = edid(1920, 1080);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), &answer[32]));
  device->want_size(1, ~0u);
  const Bytes clamped = ask({.type = kGetDisplayInfo}, {});
  EXPECT_EQ(load_le<u32>(&clamped[24 + 8]), kMinSize);
  EXPECT_EQ(load_le<u32>(&clamped[24 + 12]), kMaxHeight);
}

TEST_F(GpuTest, SavedWithItsPictures) {
  begin();
  make_resource(1, 16, 8);
  ASSERT_EQ(command(kSetScanout, SetScanout{{0, 0, 16, 8}, 0, 1}), kOk);
  draw(20, {0, 0, 255, 0});
  transfer_and_flush(1, {0, 0, 16, 8}, 0);
  const Picture before = device->picture();
  snapshot::StateWriter writer;
  ASSERT_TRUE(transport->quiesce().ok());
  transport->save(writer);
  const std::vector<u8> saved = writer.finish();
  transport->reset(machine::ResetKind::System);
  EXPECT_NE(device->picture(), before);
  auto reader = snapshot::StateReader::open(saved);
  ASSERT_TRUE(reader.ok() && transport->load(reader.value()).ok());
  transport->resume();
  EXPECT_EQ(device->picture(), before);
  draw(0, {0, 255, 0, 0});
  transfer_and_flush(1, {0, 0, 1, 1}, 0);
  EXPECT_EQ(device->picture().row(0)[0], kGreen) << "the backing is known";
}

// VESA E-EDID 1.4: what a driver reads out of it is the size that was put in.
TEST(Edid, SaysTheSize) {
  for (const auto& [width, height] :
       {std::pair{64u, 64u}, {1280u, 800u}, {1366u, 768u}, {3840u, 2160u}, {4088u, 4088u}}) {
    const auto e = edid(width, height);
    EXPECT_EQ(std::accumulate(e.begin(), e.end(), 0u) % 256, 0u) << "sum";
    EXPECT_EQ(load_be<u64>(e.data()), 0x00ffffffffffff00u);
    const u8* d = &e[54];
    EXPECT_EQ(d[2] | (d[4] >> 4) << 8, static_cast<int>(width));
    EXPECT_EQ(d[5] | (d[7] >> 4) << 8, static_cast<int>(height));
    const double total =
        (width + (d[3] | (d[4] & 15) << 8)) * static_cast<double>(height + (d[6] | (d[7] & 15) << 8));
    const double clock = load_le<u16>(d) * 10000.0;
    if (load_le<u16>(d) != 0xffff) {
      EXPECT_NEAR(clock / total, 60.0, 1.0) << width << " x " << height;
    }
  }
}

}  // namespace
}  // namespace tandem::tests
