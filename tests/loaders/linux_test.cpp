// Linux kernels: bzImage and vmlinux (Documentation/arch/x86/boot.rst, zero-page.rst).
#include "tests/loaders/compress.h"
#include "tests/loaders/guest_fixture.h"
#include "tests/loaders/kernel_images.h"

namespace tandem::tests {
namespace {

using machine::Payload;

constexpr u64 kRam = 32 * MiB;
const std::string kCmdline = "console=ttyS0 quiet";

std::vector<u8> ramdisk() { return pattern(0x2345, 9); }

Payload payload() { return {"vmlinuz", kCmdline, {{shared(ramdisk()), "", "initrd"}}}; }

std::vector<u8> bzimage(const Compressor& with) {
  BzImageSpec spec;
  spec.payload = pack_payload(with, make_elf(vmlinux_spec()));
  return make_bzimage(spec);
}

BzImageSpec unknown_payload() {
  BzImageSpec spec;
  spec.payload = {0x89, 'L', 'Z', 'O', 0, 1, 2, 3};
  return spec;
}

class LinuxTest : public testing::Test {
 protected:
  LinuxTest() { ram_.make_dirty(); }
  void start(std::vector<u8> kernel, Payload with = payload()) {
    auto state = ram_.boot(shared(std::move(kernel)), std::move(with));
    ASSERT_TRUE(state) << state.error().message;
    state_ = state.take();
    params_ = state_.gpr[cpu::kRsi];
  }

  void expect_kernel_at(u64 address) {
    EXPECT_TRUE(ram_.bytes(address, kVmlinuxSize) == pattern(kVmlinuxSize)) << std::hex << address;
    EXPECT_TRUE(ram_.bytes(address + kVmlinuxSize, kVmlinuxMemory - kVmlinuxSize) ==
                std::vector<u8>(kVmlinuxMemory - kVmlinuxSize))
        << "the bss is not cleared";
  }
  void expect_64_bit_entry(u64 entry) {
    EXPECT_EQ(state_.rip, entry);
    EXPECT_EQ(state_.rflags, 2u);
    EXPECT_EQ(state_.cr0 & (cpu::kCr0Pe | cpu::kCr0Pg), cpu::kCr0Pe | cpu::kCr0Pg);
    EXPECT_EQ(state_.cr4, cpu::kCr4Pae);
    EXPECT_EQ(state_.efer, cpu::kEferLme | cpu::kEferLma);
    EXPECT_EQ(state_.segments[cpu::kCs].selector, 0x10);
    EXPECT_TRUE(state_.segments[cpu::kCs].l);
    for (const auto s : {cpu::kDs, cpu::kEs, cpu::kSs}) EXPECT_EQ(state_.segments[s].selector, 0x18);
  }
  void expect_32_bit_entry(u64 entry) {
    EXPECT_EQ(state_.rip, entry);
    EXPECT_EQ(state_.rflags, 2u);
    EXPECT_EQ(state_.cr0 & (cpu::kCr0Pe | cpu::kCr0Pg), cpu::kCr0Pe);
    EXPECT_EQ(state_.efer, 0u);
    EXPECT_FALSE(state_.segments[cpu::kCs].l);
    EXPECT_TRUE(state_.segments[cpu::kCs].db);
    for (const auto s : {cpu::kCs, cpu::kDs, cpu::kEs, cpu::kSs}) {
      EXPECT_EQ(state_.segments[s].base, 0u);
      EXPECT_EQ(state_.segments[s].limit, 0xffffffffu);
    }
    for (const auto r : {cpu::kRbp, cpu::kRdi, cpu::kRbx}) EXPECT_EQ(state_.gpr[r], 0u);
  }
  // Where 64-bit paging of the entry state leads.
  u64 translate(u64 linear) {
    constexpr u64 kFrame = 0x000ffffffffff000;
    const u64 pml4e = ram_.qword(state_.cr3 + 8 * bits(linear, 47, 39));
    const u64 pdpte = ram_.qword((pml4e & kFrame) + 8 * bits(linear, 38, 30));
    const u64 pde = ram_.qword((pdpte & kFrame) + 8 * bits(linear, 29, 21));
    if (!(pml4e & pdpte & pde & 1)) return ~u64{0};
    EXPECT_TRUE(bit(pde, 7)) << "no large page at " << std::hex << linear;
    return (pde & kFrame & ~(2 * MiB - 1)) + bits(linear, 20, 0);
  }
  std::vector<Range> pieces() {
    const u64 cmdline = ram_.dword(params_ + 0x228);
    return {{"zero page", params_, kPageSize},
            {"command line", cmdline, ram_.text(cmdline).size() + 1},
            {"ramdisk", ram_.dword(params_ + 0x218), ram_.dword(params_ + 0x21c)},
            {"GDT", state_.gdtr.base, state_.gdtr.limit + 1u}};
  }

  GuestRam ram_{kRam};
  cpu::CpuState state_;
  u64 params_ = 0;
};

class LinuxPayload : public LinuxTest, public testing::WithParamInterface<Compressor> {};

TEST_P(LinuxPayload, IsUnpackedAndEnteredAtItsElfEntry) {
  ASSERT_NO_FATAL_FAILURE(start(bzimage(GetParam())));
  expect_kernel_at(kVmlinuxAddress);
  expect_64_bit_entry(kVmlinuxAddress);
}

TEST_P(LinuxPayload, DamagedIsAnError) {
  std::vector<u8> kernel = bzimage(GetParam());
  kernel.resize(kernel.size() - 0x800);
  store_le<u32>(&kernel[0x24c], load_le<u32>(&kernel[0x24c]) - 0x800);
  expect_user_error(ram_.boot(shared(kernel)), "damaged");
}

INSTANTIATE_TEST_SUITE_P(Formats, LinuxPayload, testing::ValuesIn(compressors()),
                         [](const auto& row) { return row.param.name; });

TEST_F(LinuxTest, ZeroPageHoldsTheSetupHeaderAndTheLoadersFields) {
  const std::vector<u8> kernel = bzimage(compressors()[0]);
  ASSERT_NO_FATAL_FAILURE(start(kernel));
  EXPECT_EQ(ram_.dword(params_ + 0x202), 0x53726448u);
  EXPECT_EQ(ram_.word(params_ + 0x206), 0x020f);
  EXPECT_EQ(ram_.dword(params_ + 0x22c), 0x7fffffffu);
  EXPECT_EQ(ram_.bytes(params_ + 0x210, 1)[0], 0xff) << "type_of_loader";
  EXPECT_EQ(ram_.bytes(params_ + 0x211, 1)[0] & 1, 1) << "LOADED_HIGH";
  EXPECT_EQ(ram_.qword(params_ + 0x70), raw(ram_.info().rsdp)) << "acpi_rsdp_addr";
  EXPECT_EQ(ram_.text(ram_.dword(params_ + 0x228)), kCmdline);
  EXPECT_EQ(ram_.bytes(params_ + 4, 0x6c), std::vector<u8>(0x6c)) << "screen_info and what follows";
}

TEST_F(LinuxTest, ZeroPageHoldsTheMemoryMap) {
  ASSERT_NO_FATAL_FAILURE(start(bzimage(compressors()[0])));
  const auto& map = ram_.info().memory_map;
  ASSERT_EQ(ram_.bytes(params_ + 0x1e8, 1)[0], map.size());
  for (std::size_t i = 0; i < map.size(); ++i) {
    const u64 entry = params_ + 0x2d0 + 20 * i;
    EXPECT_EQ(ram_.qword(entry), raw(map[i].start)) << "entry " << i;
    EXPECT_EQ(ram_.qword(entry + 8), map[i].length) << "entry " << i;
    EXPECT_EQ(ram_.dword(entry + 16), static_cast<u32>(map[i].kind)) << "entry " << i;
  }
  EXPECT_EQ(ram_.dword(params_ + 0x1e0), (kRam - MiB) / KiB) << "alt_mem_k";
}

TEST_F(LinuxTest, RamdiskIsAsHighAsItMayBe) {
  ASSERT_NO_FATAL_FAILURE(start(bzimage(compressors()[0])));
  const u64 at = ram_.dword(params_ + 0x218);
  EXPECT_EQ(ram_.dword(params_ + 0x21c), ramdisk().size());
  EXPECT_EQ(at, kRam - align_up(ramdisk().size(), kPageSize));
  EXPECT_TRUE(ram_.bytes(at, ramdisk().size()) == ramdisk());
}

TEST_F(LinuxTest, RamdiskHoldsInitrdAddrMax) {
  BzImageSpec spec;
  spec.payload = pack_payload(compressors()[0], make_elf(vmlinux_spec()));
  spec.initrd_max = 0x1800000 - 1;
  ASSERT_NO_FATAL_FAILURE(start(make_bzimage(spec)));
  EXPECT_EQ(ram_.dword(params_ + 0x218), 0x1800000 - align_up(ramdisk().size(), kPageSize));
}

TEST_F(LinuxTest, WithoutRamdisk) {
  ASSERT_NO_FATAL_FAILURE(start(bzimage(compressors()[0]), {"vmlinuz", kCmdline, {}}));
  EXPECT_EQ(ram_.dword(params_ + 0x218), 0u);
  EXPECT_EQ(ram_.dword(params_ + 0x21c), 0u);
}

TEST_F(LinuxTest, PagesAndDescriptorsAreAsThe64BitProtocolWants) {
  ASSERT_NO_FATAL_FAILURE(start(bzimage(compressors()[0])));
  for (const u64 address : {u64{0}, params_, kVmlinuxAddress, GiB + 5, 4 * GiB - 1})
    EXPECT_EQ(translate(address), address);
  EXPECT_EQ(translate(4 * GiB), ~u64{0});
  ASSERT_GE(state_.gdtr.limit, 0x1f);
  EXPECT_EQ(ram_.qword(state_.gdtr.base + 0x10), 0x00af9b000000ffffu);
  EXPECT_EQ(ram_.qword(state_.gdtr.base + 0x18), 0x00cf93000000ffffu);
}

TEST_F(LinuxTest, NothingOverlaps) {
  ASSERT_NO_FATAL_FAILURE(start(bzimage(compressors()[0])));
  auto all = pieces();
  all.push_back({"kernel", kVmlinuxAddress, kVmlinuxMemory});
  all.push_back({"page tables", state_.cr3, 6 * kPageSize});
  expect_apart(all, ram_.info());
}

TEST_F(LinuxTest, StartsAgainAfterReset) {
  auto loader = machine::recognise(shared(bzimage(compressors()[0])), payload());
  ASSERT_TRUE(loader) << loader.error().message;
  const auto first = loader.value()(ram_.memory(), ram_.info());
  ASSERT_TRUE(first);
  ram_.make_dirty();
  const auto second = loader.value()(ram_.memory(), ram_.info());
  ASSERT_TRUE(second);
  EXPECT_EQ(first.value().rip, second.value().rip);
  EXPECT_EQ(first.value().gpr[cpu::kRsi], second.value().gpr[cpu::kRsi]);
  expect_kernel_at(kVmlinuxAddress);
}

TEST_F(LinuxTest, PayloadOf32BitKernelIsEnteredIn32BitMode) {
  ElfSpec kernel = vmlinux_spec();
  kernel.is64 = false;
  kernel.segments[0].linked_address = 0xc1000000;
  BzImageSpec spec;
  spec.payload = pack_payload(compressors()[0], make_elf(kernel));
  ASSERT_NO_FATAL_FAILURE(start(make_bzimage(spec)));
  expect_kernel_at(kVmlinuxAddress);
  expect_32_bit_entry(kVmlinuxAddress);
  EXPECT_EQ(ram_.qword(state_.gdtr.base + 0x10), 0x00cf9b000000ffffu);
  expect_apart(pieces(), ram_.info());
}

TEST_F(LinuxTest, UnknownPayloadUnpacksItselfFromThe64BitEntry) {
  ASSERT_NO_FATAL_FAILURE(start(make_bzimage(unknown_payload())));
  EXPECT_TRUE(ram_.bytes(0x1000000, kBzPayloadOffset) == pattern(kBzPayloadOffset, 7));
  expect_64_bit_entry(0x1000200);
  auto all = pieces();
  all.push_back({"kernel", 0x1000000, 0x20000});
  expect_apart(all, ram_.info());
}

TEST_F(LinuxTest, UnknownPayloadWithout64BitEntryIsEnteredAtItsBeginning) {
  BzImageSpec spec = unknown_payload();
  spec.xloadflags = 0;
  ASSERT_NO_FATAL_FAILURE(start(make_bzimage(spec)));
  expect_32_bit_entry(0x1000000);
}

TEST_F(LinuxTest, UnknownPayloadThatCantMoveIsAt1MiB) {
  BzImageSpec spec = unknown_payload();
  spec.relocatable = 0;
  ASSERT_NO_FATAL_FAILURE(start(make_bzimage(spec)));
  EXPECT_TRUE(ram_.bytes(MiB, kBzPayloadOffset) == pattern(kBzPayloadOffset, 7));
  expect_64_bit_entry(MiB + 0x200);
}

// A header of protocol 2.02 ends at 0x22c: what is behind it is code and must not be taken for fields.
TEST_F(LinuxTest, FieldsBehindAnOldHeadersEndAreNotRead) {
  BzImageSpec spec = unknown_payload();
  spec.version = 0x0202;
  spec.header_jump = 0x22c - 0x202;
  ASSERT_NO_FATAL_FAILURE(start(make_bzimage(spec), {"vmlinuz", std::string(255, 'x'), {}}));
  expect_32_bit_entry(MiB);
  EXPECT_EQ(ram_.dword(params_ + 0x22c), 0u);
}

TEST_F(LinuxTest, VmlinuxIsGivenASetupHeader) {
  ASSERT_NO_FATAL_FAILURE(start(make_elf(vmlinux_spec())));
  expect_kernel_at(kVmlinuxAddress);
  expect_64_bit_entry(kVmlinuxAddress);
  EXPECT_EQ(ram_.word(params_ + 0x1fe), 0xaa55);
  EXPECT_EQ(ram_.dword(params_ + 0x202), 0x53726448u);
  EXPECT_EQ(ram_.text(ram_.dword(params_ + 0x228)), kCmdline);
}

TEST(LinuxHigh, KernelAbove4GiBIsMapped) {
  GuestRam ram(4 * GiB);
  ElfSpec spec = vmlinux_spec();
  spec.segments[0].address = 4 * GiB + 2 * MiB;
  spec.entry = spec.segments[0].address;
  const auto state = ram.boot(shared(make_elf(spec)));
  ASSERT_TRUE(state) << state.error().message;
  const u64 pdpt = ram.qword(state.value().cr3) & ~kPageMask;
  const u64 directory = ram.qword(pdpt + 8 * 4) & ~kPageMask;
  EXPECT_EQ(ram.qword(directory + 8), (4 * GiB + 2 * MiB) | 0x83);
}

TEST_F(LinuxTest, CommandLineOfTheLongestLength) {
  const std::string longest(2047, 'x');
  ASSERT_NO_FATAL_FAILURE(start(bzimage(compressors()[0]), {"vmlinuz", longest, {}}));
  EXPECT_EQ(ram_.text(ram_.dword(params_ + 0x228)), longest);
  expect_user_error(ram_.boot(shared(bzimage(compressors()[0])), {"vmlinuz", longest + "x", {}}),
                    "2048 characters, the kernel takes 2047");
}

TEST_F(LinuxTest, SecondModuleIsAnError) {
  Payload two = payload();
  two.modules.push_back(two.modules[0]);
  expect_user_error(ram_.boot(shared(bzimage(compressors()[0])), two), "one ramdisk");
}

TEST_F(LinuxTest, RamdiskThatDoesNotFit) {
  Payload large = payload();
  large.modules[0].bytes = shared(std::vector<u8>(kRam));
  expect_user_error(ram_.boot(shared(bzimage(compressors()[0])), large),
                    "the ramdisk: does not fit into the guest's memory (needs 32768 KiB");
}

TEST(LinuxSmall, KernelThatDoesNotFit) {
  GuestRam ram(16 * MiB);
  expect_user_error(ram.boot(shared(bzimage(compressors()[0]))),
                    "does not fit into the guest's memory (needs 17 MiB)");
}

TEST_F(LinuxTest, InitSizeThatDoesNotFit) {
  BzImageSpec spec = unknown_payload();
  spec.init_size = 0xffffffff;
  expect_user_error(ram_.boot(shared(make_bzimage(spec))),
                    "does not fit into the guest's memory (needs 4112");
}

TEST_F(LinuxTest, ZImageIsAnError) {
  BzImageSpec spec = unknown_payload();
  spec.loadflags = 0;
  expect_user_error(ram_.boot(shared(make_bzimage(spec))), "zImage");
}

TEST_F(LinuxTest, TooOldProtocolIsAnError) {
  BzImageSpec spec = unknown_payload();
  spec.version = 0x0201;
  expect_user_error(ram_.boot(shared(make_bzimage(spec))), "boot protocol 2.01");
}

TEST_F(LinuxTest, EveryTruncatedBzImageIsAnError) {
  const std::vector<u8> whole = bzimage(compressors()[0]);
  for (std::size_t size = 0; size < whole.size(); size += 1 + size / 256) {
    const auto state =
        ram_.boot(shared({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}), payload());
    ASSERT_FALSE(state.ok()) << "cut to " << size << " of " << whole.size();
    expect_user_error(state, size < 0x208 ? "not a kernel" : "truncated bzImage");
  }
}

}  // namespace
}  // namespace tandem::tests
