// Multiboot Specification 0.6.96: ELF and flat kernels.
#include "tests/loaders/guest_fixture.h"
#include "tests/loaders/kernel_images.h"

namespace tandem::tests {
namespace {

using machine::Payload;

constexpr u64 kLoad = 0x200000, kHeaderOffset = 0x40;

std::vector<u8> elf_kernel(bool is64, u32 flags = 3) {
  ElfSpec spec;
  spec.is64 = is64;
  spec.entry = kLoad + 0x20;
  spec.segments = {{kLoad, kLoad, multiboot1_header(flags), 0x4000}};
  return make_elf(spec);
}

// Code, then the header, then code up to 0x400 bytes.
std::vector<u8> flat_kernel(std::vector<u32> addresses, u32 flags = 1u << 16) {
  ByteImage out;
  out.put_bytes(0, pattern(0x400, 3));
  out.put_bytes(kHeaderOffset, multiboot1_header(flags, addresses));
  return out.bytes();
}

Payload payload() {
  return {"kernel", "a=1 b", {{shared(pattern(5000)), "one 1", "first"}, {shared({7}), "", "second"}}};
}

class Multiboot1 : public testing::Test {
 protected:
  Multiboot1() { ram_.make_dirty(); }
  void start(std::vector<u8> kernel, Payload with = payload()) {
    auto state = ram_.boot(shared(std::move(kernel)), std::move(with));
    ASSERT_TRUE(state) << state.error().message;
    state_ = state.take();
    info_ = state_.gpr[cpu::kRbx];
  }
  u32 field(u64 offset) { return ram_.dword(info_ + offset); }

  GuestRam ram_{32 * MiB};
  cpu::CpuState state_;
  u64 info_ = 0;
};

TEST_F(Multiboot1, EntryState) {
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel(false)));
  EXPECT_EQ(state_.gpr[cpu::kRax], 0x2badb002u);
  EXPECT_EQ(state_.rip, kLoad + 0x20);
  EXPECT_EQ(state_.cr0 & (cpu::kCr0Pe | cpu::kCr0Pg), cpu::kCr0Pe);
  EXPECT_EQ(state_.rflags, 2u);
  for (const auto s : {cpu::kCs, cpu::kDs, cpu::kEs, cpu::kSs, cpu::kFs, cpu::kGs}) {
    EXPECT_EQ(state_.segments[s].base, 0u);
    EXPECT_EQ(state_.segments[s].limit, 0xffffffffu);
    EXPECT_TRUE(state_.segments[s].db);
  }
}

TEST_F(Multiboot1, Elf64IsEnteredIn32BitModeToo) {
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel(true)));
  EXPECT_EQ(state_.rip, kLoad + 0x20);
  EXPECT_EQ(state_.efer, 0u);
}

TEST_F(Multiboot1, BssIsCleared) {
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel(false)));
  EXPECT_TRUE(ram_.bytes(kLoad + 12, 0x4000 - 12) == std::vector<u8>(0x4000 - 12));
}

TEST_F(Multiboot1, Information) {
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel(false)));
  EXPECT_EQ(field(0), 1u | 4 | 8 | 64 | 512) << "flags";
  EXPECT_EQ(field(4), 639u) << "mem_lower";
  EXPECT_EQ(field(8), 31 * 1024u) << "mem_upper";
  EXPECT_EQ(ram_.text(field(16)), "kernel a=1 b");
  EXPECT_EQ(ram_.text(field(64)), "Tandem");
}

TEST_F(Multiboot1, MemoryMap) {
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel(false)));
  const auto& map = ram_.info().memory_map;
  ASSERT_EQ(field(44), 24 * map.size());
  for (std::size_t i = 0; i < map.size(); ++i) {
    const u64 entry = field(48) + 24 * i;
    EXPECT_EQ(ram_.dword(entry), 20u) << "size of entry " << i;
    EXPECT_EQ(ram_.qword(entry + 4), raw(map[i].start)) << "entry " << i;
    EXPECT_EQ(ram_.qword(entry + 12), map[i].length) << "entry " << i;
    EXPECT_EQ(ram_.dword(entry + 20), static_cast<u32>(map[i].kind)) << "entry " << i;
  }
}

TEST_F(Multiboot1, Modules) {
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel(false)));
  ASSERT_EQ(field(20), 2u);
  const u64 list = field(24), first = ram_.dword(list), second = ram_.dword(list + 16);
  EXPECT_EQ(ram_.dword(list + 4), first + 5000);
  EXPECT_TRUE(ram_.bytes(first, 5000) == pattern(5000));
  EXPECT_EQ(first % kPageSize, 0u);
  EXPECT_GE(first, kLoad + 0x4000) << "modules lie above the kernel";
  EXPECT_EQ(ram_.text(ram_.dword(list + 8)), "first one 1");
  EXPECT_EQ(ram_.dword(list + 20), second + 1);
  EXPECT_EQ(ram_.bytes(second, 1), std::vector<u8>{7});
  EXPECT_EQ(ram_.text(ram_.dword(list + 24)), "second");
  expect_apart({{"kernel", kLoad, 0x4000},
                {"first module", first, 5000},
                {"second module", second, 1},
                {"information", info_, 116},
                {"module list", list, 32},
                {"memory map", field(48), field(44)},
                {"command line", field(16), 13},
                {"loader name", field(64), 7}},
               ram_.info());
}

TEST_F(Multiboot1, WithoutModules) {
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel(false), {"kernel", "", {}}));
  EXPECT_EQ(field(0) & 8, 0u);
  EXPECT_EQ(field(20), 0u);
  EXPECT_EQ(ram_.text(field(16)), "kernel");
}

TEST_F(Multiboot1, SmallStructuresLieBelow640KiB) {
  ASSERT_NO_FATAL_FAILURE(start(elf_kernel(false)));
  for (const u64 at : {info_, u64{field(16)}, u64{field(24)}, u64{field(48)}, u64{field(64)}})
    EXPECT_LT(at, 0x9fc00u);
}

// header, load, load_end, bss_end, entry
TEST_F(Multiboot1, FlatKernelGoesWhereItsHeaderSays) {
  const std::vector<u8> file = flat_kernel({0x300020, 0x300000, 0x300100, 0x301000, 0x300004}, 1u << 16 | 3);
  ASSERT_NO_FATAL_FAILURE(start(file, {"kernel", "", {}}));
  EXPECT_EQ(state_.rip, 0x300004u);
  EXPECT_TRUE(ram_.bytes(0x300000, 0x100) == std::vector<u8>(file.begin() + 0x20, file.begin() + 0x120));
  EXPECT_TRUE(ram_.bytes(0x300100, 0xf00) == std::vector<u8>(0xf00)) << "the bss is not cleared";
  EXPECT_EQ(ram_.bytes(0x2fffff, 1)[0], kDirt);
  EXPECT_EQ(ram_.bytes(0x301000, 1)[0], kDirt);
}

TEST_F(Multiboot1, FlatKernelWithoutEndsIsAllOfTheFile) {
  const std::vector<u8> file = flat_kernel({0x300040, 0x300000, 0, 0, 0x300004});
  ASSERT_NO_FATAL_FAILURE(start(file, {"kernel", "", {}}));
  EXPECT_TRUE(ram_.bytes(0x300000, file.size()) == file);
  EXPECT_EQ(ram_.bytes(0x300000 + file.size(), 1)[0], kDirt);
}

TEST_F(Multiboot1, AddressesWinOverElfHeaders) {
  ElfSpec spec;
  spec.is64 = true;
  spec.entry = 0x800000;
  const std::vector<u32> addresses = {0x300000, 0x300000, 0, 0, 0x300004};
  spec.segments = {{0x800000, 0x800000, multiboot1_header(1u << 16, addresses), 0}};
  ASSERT_NO_FATAL_FAILURE(start(make_elf(spec)));
  EXPECT_EQ(state_.rip, 0x300004u);
}

struct BadHeader {
  std::string name;
  std::vector<u8> file;
  std::string message;
};
void PrintTo(const BadHeader& row, std::ostream* out) { *out << row.name; }
class Multiboot1Refuses : public Multiboot1, public testing::WithParamInterface<BadHeader> {};

TEST_P(Multiboot1Refuses, Header) {
  expect_user_error(ram_.boot(shared(GetParam().file), payload()), GetParam().message);
}

std::vector<u8> header_at(u64 offset) {
  ByteImage out;
  out.put_bytes(offset, multiboot1_header(0));
  return out.bytes();
}

std::vector<u8> spoiled_checksum() {
  std::vector<u8> kernel = header_at(0);
  kernel[8] ^= 1;
  return kernel;
}

const std::vector<BadHeader>& bad_headers() {
  static const std::string kContradict = "contradict the file";
  static const std::vector<BadHeader> rows = {
      {"UnknownRequiredFeature", elf_kernel(false, 1u << 5), "requires features 0x20"},
      {"NoElfNoAddresses", header_at(0x40), "no ELF file and has no addresses"},
      {"AddressesCut", multiboot1_header(1u << 16), "truncated multiboot header"},
      {"NotAligned", header_at(2), "not a kernel"},
      {"TooFarBehind", header_at(8192 - 8), "not a kernel"},
      {"Checksum", spoiled_checksum(), "not a kernel"},
      {"LoadAboveHeader", flat_kernel({0x300000, 0x300001, 0, 0, 0}), kContradict},
      {"LoadBeforeTheFile", flat_kernel({0x300041, 0x300000, 0, 0, 0}), kContradict},
      {"LoadEndBelowLoad", flat_kernel({0x300040, 0x300000, 0x2fffff, 0, 0}), kContradict},
      {"LoadEndBeyondTheFile", flat_kernel({0x300040, 0x300000, 0x300401, 0, 0}), kContradict},
      {"BssEndInsideTheData", flat_kernel({0x300040, 0x300000, 0x300100, 0x3000ff, 0}), kContradict},
      {"LoadedInRom", flat_kernel({0xa0040, 0xa0000, 0, 0, 0}), "is not free RAM"},
      {"LoadedBeyond", flat_kernel({0xfffffe40, 0xfffffe00, 0, 0, 0}), "does not fit"},
  };
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Rows, Multiboot1Refuses, testing::ValuesIn(bad_headers()),
                         [](const auto& row) { return row.param.name; });

TEST_F(Multiboot1, ModuleThatDoesNotFit) {
  Payload large = payload();
  large.modules[1].bytes = shared(std::vector<u8>(32 * MiB));
  expect_user_error(ram_.boot(shared(elf_kernel(false)), large),
                    "module second: does not fit into the guest's memory (needs 32768 KiB");
}

}  // namespace
}  // namespace tandem::tests
