// The direct-boot loaders: what they put into memory, the state they start in, and what they refuse.
#include <bzlib.h>
#include <gtest/gtest.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "core/machine/boot/protocols.h"
#include "tests/boot/kernels.h"

namespace tandem::tests {
namespace {

using machine::BootInfo;
using machine::MemoryKind;
using machine::Payload;

constexpr u64 kRsdp = 0xe0000;

struct Guest {
  std::unique_ptr<mem::GuestMemory> memory;
  BootInfo info;

  explicit Guest(u64 bytes = 64 * MiB) : memory(mem::GuestMemory::create(bytes).take()) {
    info.rsdp = Gpa{kRsdp};
    info.memory_map = {{Gpa{0}, 0x9fc00, MemoryKind::Ram},
                       {Gpa{0xe0000}, 0x20000, MemoryKind::Reserved},
                       {Gpa{MiB}, bytes - MiB, MemoryKind::Ram}};
  }
  template <class T>
  T at(u64 address) const {
    u8 bytes[sizeof(T)] = {};
    EXPECT_TRUE(memory->read(Gpa{address}, bytes)) << std::hex << address;
    return load_le<T>(bytes);
  }
  std::string text(u64 address) const {
    std::string s;
    for (u8 c; s.size() < 256 && (c = at<u8>(address + s.size())) != 0;) s += static_cast<char>(c);
    return s;
  }
};

machine::Bytes shared(Image image) { return std::make_shared<const std::vector<u8>>(std::move(image)); }

Payload payload(std::string cmdline, std::vector<Image> modules = {}) {
  Payload p{"kernel", std::move(cmdline), {}};
  for (Image& m : modules)
    p.modules.push_back({shared(std::move(m)), "arg", "module" + std::to_string(p.modules.size())});
  return p;
}

Result<cpu::CpuState> boot(Guest& guest, Image image, Payload p) {
  TANDEM_TRY_ASSIGN(loader, machine::recognise(shared(std::move(image)), std::move(p)));
  return loader(*guest.memory, guest.info);
}

std::vector<u8> marked_code() {
  std::vector<u8> code(0x1234);
  for (std::size_t i = 0; i < code.size(); ++i) code[i] = static_cast<u8>(i * 7);
  return code;
}

// --- Linux ------------------------------------------------------------------------------------------------

void check_linux_state(Guest& guest, const cpu::CpuState& s, u64 entry) {
  EXPECT_EQ(s.rip, entry);
  EXPECT_EQ(s.efer & (cpu::kEferLme | cpu::kEferLma), cpu::kEferLme | cpu::kEferLma);
  EXPECT_TRUE(s.cr0 & cpu::kCr0Pg);
  EXPECT_EQ(s.segments[cpu::kCs].selector, 0x10);
  EXPECT_TRUE(s.segments[cpu::kCs].l);
  EXPECT_EQ(s.segments[cpu::kDs].selector, 0x18);
  EXPECT_FALSE(s.rflags & cpu::kIf);
  // Identity mapping of the entry.
  const u64 pml4e = guest.at<u64>(s.cr3), pdpte = guest.at<u64>(pml4e & ~u64{0xfff});
  const u64 pde = guest.at<u64>((pdpte & ~u64{0xfff}) + 8 * (entry >> 21 & 511));
  EXPECT_EQ(pde & 0x81, 0x81u);
  EXPECT_EQ(pde & ~u64{0x1fffff}, entry & ~u64{0x1fffff});
  EXPECT_EQ(guest.at<u64>(s.gdtr.base + 0x10) >> 40 & 0xff, 0x9bu);
}

struct Compressor {
  const char* name;
  std::vector<u8> (*pack)(const std::vector<u8>&);
};

std::vector<u8> pack_gzip(const std::vector<u8>& in) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  std::vector<u8> out(deflateBound(&z, in.size()));
  z.next_in = const_cast<u8*>(in.data());
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = out.data();
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}
std::vector<u8> pack_xz(const std::vector<u8>& in) {
  std::vector<u8> out(lzma_stream_buffer_bound(in.size()));
  std::size_t used = 0;
  EXPECT_EQ(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, nullptr, in.data(), in.size(), out.data(), &used,
                                    out.size()),
            LZMA_OK);
  out.resize(used);
  return out;
}
std::vector<u8> pack_bzip2(const std::vector<u8>& in) {
  std::vector<u8> out(in.size() + in.size() / 100 + 600);
  unsigned size = static_cast<unsigned>(out.size());
  EXPECT_EQ(BZ2_bzBuffToBuffCompress(reinterpret_cast<char*>(out.data()), &size,
                                     reinterpret_cast<char*>(const_cast<u8*>(in.data())),
                                     static_cast<unsigned>(in.size()), 9, 0, 0),
            BZ_OK);
  out.resize(size);
  return out;
}
std::vector<u8> pack_lz4(const std::vector<u8>& in) {
  std::vector<u8> out(8 + static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(in.size()))));
  store_le<u32>(out.data(), 0x184c2102);
  const int n =
      LZ4_compress_default(reinterpret_cast<const char*>(in.data()), reinterpret_cast<char*>(out.data() + 8),
                           static_cast<int>(in.size()), static_cast<int>(out.size() - 8));
  store_le<u32>(out.data() + 4, static_cast<u32>(n));
  out.resize(8 + static_cast<std::size_t>(n));
  return out;
}
std::vector<u8> pack_zstd(const std::vector<u8>& in) {
  std::vector<u8> out(ZSTD_compressBound(in.size()));
  out.resize(ZSTD_compress(out.data(), out.size(), in.data(), in.size(), 3));
  return out;
}

class BzImage : public testing::TestWithParam<Compressor> {};

TEST_P(BzImage, IsUnpackedByTheHost) {
  Guest guest;
  const std::vector<u8> code = marked_code();
  std::vector<u8> packed = GetParam().pack(make_elf({.code = code}));
  for (int i = 0; i < 4; ++i) packed.push_back(0x55);  // the build appends the plain size
  const auto state = boot(guest, make_bzimage(packed), payload("a=b", {Image(5000, 0x77)}));
  ASSERT_TRUE(state) << state.error().message;
  check_linux_state(guest, state.value(), 0x200000);
  std::vector<u8> there(code.size());
  guest.memory->read(Gpa{0x200000}, there);
  EXPECT_EQ(there, code);
  const u64 params = state.value().gpr[cpu::kRsi];
  EXPECT_EQ(guest.at<u32>(params + 0x202), 0x53726448u);
  EXPECT_EQ(guest.at<u8>(params + 0x210), 0xff);
  EXPECT_EQ(guest.at<u64>(params + 0x70), kRsdp);
  EXPECT_EQ(guest.at<u8>(params + 0x1e8), 3);
  EXPECT_EQ(guest.at<u64>(params + 0x2d0 + 40), MiB);
  EXPECT_EQ(guest.at<u64>(params + 0x2d0 + 48), 63 * MiB);
  EXPECT_EQ(guest.text(guest.at<u32>(params + 0x228)), "a=b");
  const u64 ramdisk = guest.at<u32>(params + 0x218);
  EXPECT_EQ(guest.at<u32>(params + 0x21c), 5000u);
  EXPECT_EQ(guest.at<u8>(ramdisk + 4999), 0x77);
  EXPECT_EQ(ramdisk % kPageSize, 0u);
}

TEST_P(BzImage, DamageIsAnErrorOrAnotherKernel) {
  const std::vector<u8> packed = GetParam().pack(make_elf({.code = marked_code()}));
  for (std::size_t cut : {packed.size() / 2, packed.size() - 9}) {
    Guest guest;
    const auto state = boot(guest, make_bzimage({packed.data(), cut}), payload(""));
    ASSERT_FALSE(state) << GetParam().name << " cut to " << cut;
    EXPECT_EQ(state.error().kind, ErrorKind::User);
  }
}

INSTANTIATE_TEST_SUITE_P(All, BzImage,
                         testing::Values(Compressor{"gzip", pack_gzip}, Compressor{"xz", pack_xz},
                                         Compressor{"bzip2", pack_bzip2}, Compressor{"lz4", pack_lz4},
                                         Compressor{"zstd", pack_zstd}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Linux, UnknownPayloadIsLeftToTheGuest) {
  Guest guest;
  const auto state = boot(guest, make_bzimage(std::vector<u8>(3000, 0x11)), payload(""));
  ASSERT_TRUE(state) << state.error().message;
  check_linux_state(guest, state.value(), 0x1000200);
  EXPECT_EQ(guest.at<u8>(0x1000000 + 0x400), 0x11);
}

TEST(Linux, CmdlineThatIsTooLongIsRefused) {
  Guest guest;
  const auto state = boot(guest, make_bzimage(std::vector<u8>(64, 0x11)), payload(std::string(3000, 'x')));
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().message, "the command line has 3000 characters, the kernel takes 2047");
}

TEST(Linux, RamdiskThatDoesNotFitIsRefused) {
  Guest guest(32 * MiB);
  const auto state = boot(guest, make_elf({}), payload("", {Image(40 * MiB)}));
  ASSERT_FALSE(state);
  EXPECT_NE(state.error().message.find("the ramdisk: does not fit"), std::string::npos)
      << state.error().message;
}

TEST(Linux, VmlinuxStartsWithASyntheticHeader) {
  Guest guest;
  const auto state = boot(guest, make_elf({.code = marked_code()}), payload("x"));
  ASSERT_TRUE(state) << state.error().message;
  check_linux_state(guest, state.value(), 0x200000);
  EXPECT_EQ(guest.at<u16>(state.value().gpr[cpu::kRsi] + 0x1fe), 0xaa55);
}

// --- PVH and multiboot ------------------------------------------------------------------------------------

void check_protected_state(const cpu::CpuState& s, u64 entry) {
  EXPECT_EQ(s.rip, entry);
  EXPECT_EQ(s.cr0 & (cpu::kCr0Pe | cpu::kCr0Pg), cpu::kCr0Pe);
  EXPECT_TRUE(s.segments[cpu::kCs].db);
  EXPECT_EQ(s.segments[cpu::kDs].limit, 0xffffffffu);
  EXPECT_FALSE(s.rflags & cpu::kIf);
}

TEST(Pvh, HandsOverStartInfo) {
  Guest guest;
  const auto state =
      boot(guest, make_elf({.pvh_note = true}), payload("pvh args", {Image(100, 1), Image(200, 2)}));
  ASSERT_TRUE(state) << state.error().message;
  check_protected_state(state.value(), 0x200010);
  const u64 info = state.value().gpr[cpu::kRbx];
  EXPECT_EQ(guest.at<u32>(info), 0x336ec578u);
  EXPECT_EQ(guest.at<u32>(info + 4), 1u);
  EXPECT_EQ(guest.at<u32>(info + 12), 2u);
  const u64 modules = guest.at<u64>(info + 16);
  EXPECT_EQ(guest.at<u64>(modules + 8), 100u);
  EXPECT_EQ(guest.at<u8>(guest.at<u64>(modules + 32)), 2);
  EXPECT_EQ(guest.text(guest.at<u64>(info + 24)), "pvh args");
  EXPECT_EQ(guest.at<u64>(info + 32), kRsdp);
  EXPECT_EQ(guest.at<u32>(info + 48), 3u);
  EXPECT_EQ(guest.at<u64>(guest.at<u64>(info + 40) + 2 * 24), MiB);
}

Image multiboot1_elf(u32 flags) {
  std::vector<u8> code(64);
  store_le<u32>(&code[8], 0x1badb002);
  store_le<u32>(&code[12], flags);
  store_le<u32>(&code[16], 0u - 0x1badb002u - flags);
  return make_elf({.code = code, .is64 = false});
}

TEST(Multiboot1, ElfWithModules) {
  Guest guest;
  const auto state = boot(guest, multiboot1_elf(3), payload("mb args", {Image(5000, 9)}));
  ASSERT_TRUE(state) << state.error().message;
  check_protected_state(state.value(), 0x200000);
  EXPECT_EQ(state.value().gpr[cpu::kRax], 0x2badb002u);
  const u64 info = state.value().gpr[cpu::kRbx];
  EXPECT_EQ(guest.at<u32>(info) & 0x4d, 0x4du);
  EXPECT_EQ(guest.at<u32>(info + 8), 63 * 1024u);
  EXPECT_EQ(guest.text(guest.at<u32>(info + 16)), "kernel mb args");
  ASSERT_EQ(guest.at<u32>(info + 20), 1u);
  const u64 module = guest.at<u32>(info + 24);
  EXPECT_EQ(guest.at<u32>(module + 4) - guest.at<u32>(module), 5000u);
  EXPECT_EQ(guest.at<u32>(module) % kPageSize, 0u);
  EXPECT_EQ(guest.text(guest.at<u32>(module + 8)), "module0 arg");
  EXPECT_EQ(guest.at<u32>(guest.at<u32>(info + 48)), 20u);
}

TEST(Multiboot1, FlatFileByAddresses) {
  Image flat(0x1000, 0xcc);
  constexpr u32 kFlags = 1u << 16;
  const u32 fields[] = {0x1badb002, kFlags,  0u - 0x1badb002u - kFlags, 0x100010, 0x100000, 0x100800,
                        0x102000,   0x100040};
  for (unsigned i = 0; i < 8; ++i) store_le<u32>(&flat[0x10 + 4 * i], fields[i]);
  Guest guest;
  guest.memory->fill(Gpa{0x100000}, 0xee, 0x3000);
  const auto state = boot(guest, flat, payload(""));
  ASSERT_TRUE(state) << state.error().message;
  check_protected_state(state.value(), 0x100040);
  EXPECT_EQ(guest.at<u8>(0x1007ff), 0xcc);
  EXPECT_EQ(guest.at<u8>(0x100800), 0);  // bss
  EXPECT_EQ(guest.at<u8>(0x101fff), 0);
  EXPECT_EQ(guest.at<u8>(0x102000), 0xee);
}

TEST(Multiboot1, UnknownRequiredFeatureIsRefused) {
  Guest guest;
  const auto state = boot(guest, multiboot1_elf(0x10), payload(""));
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().message, "a multiboot kernel that requires features 0x10, which are not known");
}

Image multiboot2_elf(std::vector<std::vector<u32>> tags) {
  std::vector<u8> code(512);
  std::size_t at = 16 + 16;
  for (const auto& tag : tags) {
    for (std::size_t i = 0; i < tag.size(); ++i) store_le<u32>(&code[at + 4 * i], tag[i]);
    at += (tag.size() * 4 + 7) & ~std::size_t{7};
  }
  store_le<u32>(&code[at + 4], 8);  // end tag
  const u32 length = static_cast<u32>(at + 8 - 16);
  store_le<u32>(&code[16], 0xe85250d6);
  store_le<u32>(&code[24], length);
  store_le<u32>(&code[28], 0u - 0xe85250d6u - length);
  return make_elf({.code = code, .is64 = false});
}

TEST(Multiboot2, TagsOfTheInformation) {
  Guest guest;
  const auto state = boot(guest, multiboot2_elf({{1, 16, 1, 6}}), payload("mb2", {Image(10, 3)}));
  ASSERT_TRUE(state) << state.error().message;
  check_protected_state(state.value(), 0x200000);
  EXPECT_EQ(state.value().gpr[cpu::kRax], 0x36d76289u);
  const u64 info = state.value().gpr[cpu::kRbx];
  std::vector<u32> seen;
  for (u64 at = info + 8; at < info + guest.at<u32>(info);) {
    const u32 type = guest.at<u32>(at), size = guest.at<u32>(at + 4);
    seen.push_back(type);
    if (type == 1) EXPECT_EQ(guest.text(at + 8), "mb2");
    if (type == 3) EXPECT_EQ(guest.at<u8>(guest.at<u32>(at + 8)), 3);
    if (type == 6) EXPECT_EQ(guest.at<u64>(at + 16 + 24), 0xe0000u);
    ASSERT_GE(size, 8u);
    at += (size + 7) & ~7u;
  }
  EXPECT_EQ(seen, (std::vector<u32>{1, 2, 3, 4, 6, 14, 0}));
}

TEST(Multiboot2, EntryTagWins) {
  Guest guest;
  const auto state = boot(guest, multiboot2_elf({{3, 12, 0x200020}}), payload(""));
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(state.value().rip, 0x200020u);
}

TEST(Multiboot2, RequiredTagThatIsUnknownIsRefused) {
  Guest guest;
  EXPECT_FALSE(boot(guest, multiboot2_elf({{5, 20, 0, 0, 32}}), payload("")));
  EXPECT_TRUE(boot(guest, multiboot2_elf({{5 | 1 << 16, 20, 0, 0, 32}}), payload("")));
  EXPECT_FALSE(boot(guest, multiboot2_elf({{1, 12, 8}}), payload("")));
}

// --- Hostile files ----------------------------------------------------------------------------------------

std::vector<Image> samples() {
  return {make_elf({}), make_elf({.pvh_note = true}), make_bzimage(pack_gzip(make_elf({}))),
          multiboot1_elf(3), multiboot2_elf({{1, 12, 1}, {3, 12, 0x200020}})};
}

// Whatever the bytes are, there is a state or an error, and the guest's memory is all that was touched.
TEST(Hostile, EveryTruncationAndExtremeField) {
  for (const Image& sample : samples()) {
    for (std::size_t length = 0; length < std::min<std::size_t>(sample.size(), 0x400); ++length) {
      Guest guest(16 * MiB);
      (void)boot(guest, {sample.begin(), sample.begin() + static_cast<i64>(length)}, payload("x"));
    }
    for (std::size_t at = 0; at + 4 <= std::min<std::size_t>(sample.size(), 0x280); ++at)
      for (u32 value : {0u, 0x7fffffffu, 0xffffffffu, 0xfffff000u}) {
        Image changed = sample;
        store_le<u32>(&changed[at], value);
        Guest guest(16 * MiB);
        (void)boot(guest, changed, payload("x", {Image(100)}));
      }
  }
}

TEST(Hostile, ForeignFilesAreNamed) {
  const auto path = std::filesystem::path(testing::TempDir()) / "foreign";
  std::ofstream(path) << "#!/bin/sh\nexit 0\n";
  const auto loader = machine::open_boot_loader({path.string(), {}, ""});
  ASSERT_FALSE(loader);
  EXPECT_EQ(
      loader.error().message,
      path.string() + ": not a kernel that can be booted directly (no bzImage, PVH or multiboot header)");
  const auto missing = machine::open_boot_loader({"/nowhere/kernel", {}, ""});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "/nowhere/kernel: No such file or directory");
}

}  // namespace
}  // namespace tandem::tests
