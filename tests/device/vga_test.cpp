// The display adapter by its registers and its memory (FreeVGA, "VGA hardware"; Bochs' VBE DISPI), and the
// pictures that its states give.
#include <gtest/gtest.h>

#include <random>

#include "core/base/bits.h"
#include "devices/display/render.h"
#include "devices/display/vga.h"
#include "devices/pci/regs.h"
#include "tests/support/device_bench.h"

namespace tandem::tests {
namespace {

using namespace devices;

constexpr u64 kVideo = 4 * MiB, kWindow = 0xa0000, kLfb = 0xe0000000, kRegisters = 0xe8000000;

class VgaTest : public testing::Test {
 protected:
  VgaTest() {
    bench.map_ports(0x3c0, 32, vga->color_ports());
    bench.map_ports(0x3b0, 12, vga->mono_ports());
    bench.map_ports(0x1ce, 3, vga->vbe_ports(), 2);
    bench.map_memory(kWindow, 128 * KiB, vga->window());
    bench.out(0x3c2, 0x63);
  }
  static u64 allocate(DeviceBench& bench, u64 size) { return bench.context().memory.allocate(size).take(); }

  void set(u16 port, u8 index, u8 value) {
    bench.out(port, index);
    bench.out(static_cast<u16>(port + 1), value);
  }
  u8 get(u16 port, u8 index) {
    bench.out(port, index);
    return static_cast<u8>(bench.in(static_cast<u16>(port + 1)));
  }
  void seq(u8 index, u8 value) { set(0x3c4, index, value); }
  void gfx(u8 index, u8 value) { set(0x3ce, index, value); }
  void attr(u8 index, u8 value) {
    bench.in(0x3da);
    bench.out(0x3c0, index);
    bench.out(0x3c0, value);
  }
  void vbe(u16 index, u16 value) {
    bench.out(0x1ce, index, 2);
    bench.out(0x1cf, value, 2);
  }
  u64 vbe(u16 index) {
    bench.out(0x1ce, index, 2);
    return bench.in(0x1cf, 2);
  }
  void planar() {
    seq(2, 0x0f);
    seq(4, 0x06);
    gfx(5, 0);
    gfx(6, 0x05);
    gfx(8, 0xff);
  }
  void scramble(std::mt19937_64& random) {
    bench.out(0x3c2, random() & 0xff);
    for (u8 i = 0; i < 8; ++i) seq(i, static_cast<u8>(random()));
    for (u8 i = 0; i < 16; ++i) gfx(i, static_cast<u8>(random()));
    for (const u16 port : {u16{0x3b4}, u16{0x3d4}})
      for (u8 i = 0; i < 0x20; ++i) set(port, i, static_cast<u8>(random()));
    for (u8 i = 0; i < 0x20; ++i) attr(i, static_cast<u8>(random()));
    const bool on = random() % 3 == 0;
    for (u16 i = 0; i < kVbeCount; ++i)
      if (i != kVbeEnable) vbe(i, static_cast<u16>(random() & (random() % 2 ? 0xffff : 0x3ff)));
    vbe(kVbeEnable, static_cast<u16>((random() & 0xfffe) | (on ? 1 : 0)));
    write_a_little(random);
    bench.in(0x3da);
    bench.out(0x3c0, 0x20);
  }
  void write_a_little(std::mt19937_64& random) {
    for (unsigned i = 0; i < 200; ++i) {
      const u64 at = kWindow + random() % (128 * KiB - 8);
      if (random() % 2) bench.write(at, random(), 4);
      else bench.read(at, 4);
    }
  }
  u8* video() { return bench.context().memory.base() + offset; }

  DeviceBench bench;
  u64 offset = allocate(bench, kVideo);
  u64 rom = allocate(bench, 64 * KiB);
  std::unique_ptr<Vga> vga =
      std::make_unique<Vga>(bench.context(), Vga::Memory{offset, kVideo}, Vga::Rom{rom, 64 * KiB});
};

TEST_F(VgaTest, RegistersReadBack) {
  struct Row {
    const char* name;
    u16 port;
    u8 index, written, read;
  };
  for (const Row& row : {Row{"clocking mode", 0x3c4, 1, 0xff, 0x3d}, Row{"map mask", 0x3c4, 2, 0xff, 0x0f},
                         Row{"memory mode", 0x3c4, 4, 0xff, 0x0e}, Row{"set/reset", 0x3ce, 0, 0xff, 0x0f},
                         Row{"rotate", 0x3ce, 3, 0xff, 0x1f}, Row{"mode", 0x3ce, 5, 0xff, 0x7b},
                         Row{"bit mask", 0x3ce, 8, 0xa5, 0xa5}, Row{"nothing", 0x3ce, 12, 0xff, 0x00},
                         Row{"offset", 0x3d4, 0x13, 0x28, 0x28}, Row{"line compare", 0x3d4, 0x18, 0xff, 0xff},
                         Row{"no such", 0x3d4, 0x19, 0xff, 0x00}}) {
    SCOPED_TRACE(row.name);
    set(row.port, row.index, row.written);
    EXPECT_EQ(get(row.port, row.index), row.read);
  }
}

TEST_F(VgaTest, CrtcIsProtected) {
  set(0x3d4, 0x07, 0x00);
  set(0x3d4, 0x11, 0x80);
  set(0x3d4, 0x00, 0x12);
  set(0x3d4, 0x07, 0xff);
  EXPECT_EQ(get(0x3d4, 0x00), 0x00u);
  EXPECT_EQ(get(0x3d4, 0x07), 0x10u) << "line compare's bit is not";
}

TEST_F(VgaTest, MiscChoosesColorOrMonochrome) {
  set(0x3d4, 0x0e, 0x12);
  EXPECT_EQ(bench.in(0x3b5), 0xffu);
  bench.out(0x3c2, 0x62);
  EXPECT_EQ(bench.in(0x3d5), 0xffu);
  EXPECT_EQ(get(0x3b4, 0x0e), 0x12u);
  EXPECT_EQ(bench.in(0x3cc), 0x62u);
}

TEST_F(VgaTest, AttributesShareAPort) {
  attr(3, 0xff);
  attr(0x10, 0xff);
  bench.in(0x3da);
  bench.out(0x3c0, 3);
  EXPECT_EQ(bench.in(0x3c1), 0x3fu);
  bench.in(0x3da);
  bench.out(0x3c0, 0x30);
  EXPECT_EQ(bench.in(0x3c0), 0x30u);
  EXPECT_EQ(bench.in(0x3c1), 0xefu);
}

TEST_F(VgaTest, DacTakesThreeBytes) {
  bench.out(0x3c8, 254);
  for (const u8 v : {1, 2, 3, 4, 5, 6, 7, 8}) bench.out(0x3c9, v);
  bench.out(0x3c7, 254);
  EXPECT_EQ(bench.in(0x3c7), 3u) << "reading";
  for (const u8 v : {1, 2, 3, 4, 5, 6}) EXPECT_EQ(bench.in(0x3c9), v);
  EXPECT_EQ(bench.in(0x3c9), 0u) << "the third colour was not whole";
}

TEST_F(VgaTest, RetraceComesSeventyTimesASecond) {
  unsigned frames = 0;
  bool before = true;
  for (unsigned i = 0; i < 10000; ++i) {
    bench.clock.advance(100 * time::kMicrosecond);
    const bool now = bench.in(0x3da) & 8;
    frames += now && !before;
    before = now;
  }
  EXPECT_NEAR(frames, 70, 1);
}

TEST_F(VgaTest, WriteModes) {
  struct Row {
    const char* name;
    u8 mode, set_reset, enable, rotate, mask, value;
    u32 result;  // of latches 0x44332211
  };
  planar();
  for (const Row& row :
       {Row{"bytes", 0, 0, 0, 0, 0xff, 0xa5, 0xa5a5a5a5}, Row{"rotated", 0, 0, 0, 4, 0xff, 0xa5, 0x5a5a5a5a},
        Row{"set and reset", 0, 5, 7, 0, 0xff, 0xa5, 0xa5ff00ff},
        Row{"masked", 0, 0, 0, 0, 0x0f, 0xff, 0x4f3f2f1f}, Row{"and", 0, 0, 0, 0x08, 0xff, 0x0f, 0x04030201},
        Row{"or", 0, 0, 0, 0x10, 0xff, 0x80, 0xc4b3a291}, Row{"xor", 0, 0, 0, 0x18, 0xff, 0xff, 0xbbccddee},
        Row{"latches", 1, 0, 0, 0, 0, 0xff, 0x44332211}, Row{"colour", 2, 0, 0, 0, 0xf0, 0x09, 0xf40302f1},
        Row{"mode 3", 3, 6, 0, 0, 0x3c, 0xf0, 0x44333201}}) {
    SCOPED_TRACE(row.name);
    u8* at = bench.context().memory.base() + offset;
    store_le<u32>(at + 400, 0x44332211);
    gfx(5, 0);
    bench.read(kWindow + 100, 1);
    gfx(0, row.set_reset);
    gfx(1, row.enable);
    gfx(3, row.rotate);
    gfx(8, row.mask);
    gfx(5, row.mode);
    bench.write(kWindow + 100, row.value, 1);
    EXPECT_EQ(load_le<u32>(at + 400), row.result);
    gfx(1, 0);
  }
}

TEST_F(VgaTest, ReadModesAndMapMask) {
  planar();
  seq(2, 0x05);
  bench.write(kWindow, 0x3c, 1);
  EXPECT_EQ(load_le<u32>(video()), 0x003c003cu);
  gfx(4, 2);
  EXPECT_EQ(bench.read(kWindow, 1), 0x3cu);
  gfx(4, 1);
  EXPECT_EQ(bench.read(kWindow, 1), 0x00u);
  gfx(5, 8);
  gfx(2, 5);
  gfx(7, 0x0f);
  EXPECT_EQ(bench.read(kWindow, 1), 0x3cu) << "where the colour is 5";
  gfx(7, 0x0a);
  EXPECT_EQ(bench.read(kWindow, 1), 0xffu) << "planes 1 and 3 are 0 everywhere";
}

TEST_F(VgaTest, WindowsAndChains) {
  gfx(6, 0x0e);  // B8000h, odd and even
  gfx(5, 0x10);
  seq(2, 0x03);
  bench.write(0xb8002, 0x0741, 2);
  EXPECT_EQ(load_le<u32>(video() + 4), 0x0741u);
  EXPECT_EQ(bench.read(0xb8002, 2), 0x0741u);
  EXPECT_EQ(bench.read(kWindow, 1), 0xffu) << "not in this map";
  seq(4, 0x0e);
  seq(2, 0x0f);
  gfx(6, 0x05);
  bench.write(kWindow + 0x100, 0x44332211, 4);
  EXPECT_EQ(load_le<u32>(video() + 0x100), 0x44332211u) << "chain 4";
  bench.out(0x3c2, 0x61);
  EXPECT_EQ(bench.read(kWindow + 0x100, 4), 0xffffffffu) << "memory is disabled";
}

TEST_F(VgaTest, VbeModesAndBanks) {
  EXPECT_EQ(vbe(kVbeId), 0xb0c5u);
  EXPECT_EQ(vbe(kVbeMemory), kVideo / (64 * KiB));
  vbe(kVbeEnable, kVbeGetCaps);
  EXPECT_EQ(vbe(kVbeWidth), 2560u);
  EXPECT_EQ(vbe(kVbeHeight), 1600u);
  EXPECT_EQ(vbe(kVbeDepth), 32u);
  vbe(kVbeEnable, 0);
  vbe(kVbeWidth, 640);
  vbe(kVbeHeight, 480);
  vbe(kVbeDepth, 32);
  vbe(kVbeDepth, 7);
  vbe(kVbeEnable, kVbeEnabled);
  EXPECT_EQ(vbe(kVbeDepth), 32u);
  EXPECT_EQ(vbe(kVbeVirtualWidth), 640u);
  EXPECT_EQ(vbe(kVbeVirtualHeight), kVideo / 2560);
  vbe(kVbeBank, 3);
  bench.write(kWindow + 16, 0x00c0ffee, 4);
  EXPECT_EQ(load_le<u32>(video() + 3 * 64 * KiB + 16), 0x00c0ffeeu);
  vbe(kVbeBank, 0xffff);
  EXPECT_EQ(vbe(kVbeBank), 3u) << "no such bank";
}

TEST_F(VgaTest, BarsLeadToMemoryAndRegisters) {
  mem::GuestMemory& memory = bench.context().memory;
  vga->write_config(pci::kBar0, 4, kLfb);
  vga->write_config(pci::kBar0 + 8, 4, kRegisters);
  vga->write_config(pci::kRom, 4, 0xe9000001);
  EXPECT_FALSE(memory.write_value<u32>(Gpa{kLfb}, 1)) << "not enabled yet";
  vga->write_config(pci::kCommand, 2, pci::kCommandMemory);
  EXPECT_TRUE(memory.write_value<u32>(Gpa{kLfb + kVideo - 4}, 0x12345678));
  EXPECT_EQ(load_le<u32>(video() + kVideo - 4), 0x12345678u);
  EXPECT_EQ(bench.read(kRegisters + 0x500, 2), 0xb0c5u);
  bench.write(kRegisters + 0x404, 0x0a02, 2);
  EXPECT_EQ(get(0x3c4, 2), 0x0au);
  memory.base()[rom] = 0x55;
  EXPECT_EQ(memory.read_value<u8>(Gpa{0xe9000000}), 0x55u);
  EXPECT_FALSE(memory.write_value<u8>(Gpa{0xe9000000}, 0));
  vga->write_config(pci::kRom, 4, 0xe9000000);
  EXPECT_EQ(memory.host(Gpa{0xe9000000}), nullptr) << "its own enable bit";
  vga->write_config(pci::kBar0, 4, 0xffffffff);
  EXPECT_EQ(vga->read_config(pci::kBar0, 4), static_cast<u32>(-kVideo) | 8) << "its size";
  EXPECT_EQ(memory.host(Gpa{kLfb}), nullptr);
}

// A text screen of one cell, whose glyph is a frame.
TEST_F(VgaTest, TextPicture) {
  bench.out(0x3c8, 1);
  for (const u8 v : {63, 0, 0}) bench.out(0x3c9, v);
  attr(1, 1);
  attr(0x12, 0x0f);
  bench.in(0x3da);
  bench.out(0x3c0, 0x20);
  seq(1, 1);
  set(0x3d4, 0x01, 0);
  set(0x3d4, 0x12, 3);
  set(0x3d4, 0x09, 3);
  set(0x3d4, 0x0a, 0x20);
  set(0x3d4, 0x14, 0x1f);
  set(0x3d4, 0x18, 0xff);
  u8* at = bench.context().memory.base() + offset;
  at[0] = 'A';
  at[1] = 0x01;
  for (unsigned line = 0; line < 4; ++line)
    at[4 * ('A' * 32 + line) + 2] = line == 0 || line == 3 ? 0xff : 0x81;
  const Picture image = vga->picture();
  ASSERT_EQ(image.width, 8u);
  ASSERT_EQ(image.height, 4u);
  for (unsigned y = 0; y < 4; ++y)
    for (unsigned x = 0; x < 8; ++x) {
      const bool lit = y == 0 || y == 3 || x == 0 || x == 7;
      EXPECT_EQ(image.row(y)[x], (lit ? Rgb{255, 0, 0} : Rgb{})) << x << ", " << y;
    }
  bench.in(0x3da);
  bench.out(0x3c0, 0);
  EXPECT_EQ(vga->picture().row(0)[0], Rgb{}) << "video off";
}

// Registers may hold anything: under the sanitizers, this finds what a picture reads outside of its memory.
TEST_F(VgaTest, RandomStatesGivePictures) {
  const u64 seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (unsigned round = 0; round < 150; ++round) {
    scramble(random);
    const Picture image = vga->picture(random() % 2);
    EXPECT_EQ(image.pixels.size(), u64{image.width} * image.height);
    EXPECT_GT(image.width, 0u);
    EXPECT_GT(image.height, 0u);
  }
}

// The whole picture, drawn anew, is the oracle for what a view redraws.
TEST_F(VgaTest, AViewRedrawsWhatHasChanged) {
  const u64 seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto view = vga->open_view();
  for (unsigned round = 0; round < 300; ++round) {
    const unsigned what = random() % 4;
    if (what == 0) scramble(random);
    if (what == 1) write_a_little(random);
    if (what == 2) video()[random() % kVideo] ^= 1;
    const bool blink = random() % 2;
    const Picture before = view->picture();
    const std::vector<Rows> changed = view->refresh(blink);
    const Picture now = vga->picture(blink);
    ASSERT_EQ(view->picture(), now) << "round " << round;
    EXPECT_TRUE(view->refresh(blink).empty()) << "nothing happened, round " << round;
    std::vector<bool> told(now.height);
    for (const Rows& rows : changed)
      for (u32 y = rows.first; y < rows.first + rows.count; ++y) told.at(y) = true;
    const bool resized = before.width != now.width || before.height != now.height;
    for (u32 y = 0; y < now.height; ++y)
      if (resized || !std::equal(now.row(y), now.row(y) + now.width, before.row(y)))
        ASSERT_TRUE(told[y]) << "row " << y << " of round " << round;
  }
}

TEST_F(VgaTest, AViewTellsOnlyOfRowsThatChanged) {
  vbe(kVbeWidth, 640);
  vbe(kVbeHeight, 480);
  vbe(kVbeDepth, 32);
  vbe(kVbeEnable, kVbeEnabled);
  bench.in(0x3da);
  bench.out(0x3c0, 0x20);
  const auto view = vga->open_view();
  EXPECT_EQ(view->refresh(true), (std::vector<Rows>{{0, 480}}));
  for (const u64 y : {7, 8, 300}) video()[y * 640 * 4 + 5] = 0xff;
  EXPECT_EQ(view->refresh(true), (std::vector<Rows>{{7, 2}, {300, 1}}));
  EXPECT_EQ(view->picture().row(300)[1], (Rgb{0, 255, 0}));
}

TEST_F(VgaTest, ComesBackWithItsState) {
  vbe(kVbeWidth, 320);
  vbe(kVbeHeight, 200);
  vbe(kVbeDepth, 32);
  vbe(kVbeEnable, kVbeEnabled);
  attr(0x10, 1);
  bench.write(kWindow, 0x00aabbcc, 4);
  snapshot::StateWriter writer;
  vga->save(writer);
  const Picture before = vga->picture();
  vga->reset(machine::ResetKind::System);
  EXPECT_NE(vga->picture(), before);
  auto reader = snapshot::StateReader::open(writer.finish());
  ASSERT_TRUE(vga->load(reader.value()));
  EXPECT_EQ(vga->picture(), before);
}

}  // namespace
}  // namespace tandem::tests
