// PVH kernels (xen/include/public/arch-x86/hvm/start_info.h).
#include "tests/loaders/guest_fixture.h"
#include "tests/loaders/kernel_images.h"

namespace tandem::tests {
namespace {

using machine::Payload;

std::vector<u8> pvh_kernel(bool is64) {
  ElfSpec spec = vmlinux_spec();
  spec.is64 = is64;
  spec.segments[0].linked_address = 0xc1000000;
  spec.notes = pvh_note(0x1000040);
  return make_elf(spec);
}

Payload payload() {
  return {
      "kernel", "root=/dev/xvda", {{shared(pattern(5000)), "one 1", "first"}, {shared({7}), "", "second"}}};
}

class PvhTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    ram_.make_dirty();
    auto state = ram_.boot(shared(pvh_kernel(GetParam())), payload());
    ASSERT_TRUE(state) << state.error().message;
    state_ = state.take();
    info_ = state_.gpr[cpu::kRbx];
  }
  GuestRam ram_{32 * MiB};
  cpu::CpuState state_;
  u64 info_ = 0;
};

TEST_P(PvhTest, IsEnteredInFlat32BitModeAtItsNotesEntry) {
  EXPECT_EQ(state_.rip, 0x1000040u);
  EXPECT_EQ(state_.cr0 & (cpu::kCr0Pe | cpu::kCr0Pg), cpu::kCr0Pe);
  EXPECT_EQ(state_.cr4, 0u);
  EXPECT_EQ(state_.rflags, 2u);
  for (const auto s : {cpu::kCs, cpu::kDs, cpu::kEs, cpu::kSs}) {
    EXPECT_EQ(state_.segments[s].base, 0u);
    EXPECT_EQ(state_.segments[s].limit, 0xffffffffu);
    EXPECT_TRUE(state_.segments[s].db);
  }
  EXPECT_EQ(state_.tr.limit, 0x67u);
  EXPECT_EQ(state_.tr.type, 11);
}

TEST_P(PvhTest, StartInfo) {
  EXPECT_EQ(ram_.dword(info_), 0x336ec578u);
  EXPECT_EQ(ram_.dword(info_ + 4), 1u) << "version";
  EXPECT_EQ(ram_.dword(info_ + 8), 0u) << "flags";
  EXPECT_EQ(ram_.dword(info_ + 12), 2u) << "modules";
  EXPECT_EQ(ram_.text(ram_.qword(info_ + 24)), "root=/dev/xvda");
  EXPECT_EQ(ram_.qword(info_ + 32), raw(ram_.info().rsdp));
}

TEST_P(PvhTest, MemoryMap) {
  const auto& map = ram_.info().memory_map;
  const u64 at = ram_.qword(info_ + 40);
  ASSERT_EQ(ram_.dword(info_ + 48), map.size());
  for (std::size_t i = 0; i < map.size(); ++i) {
    EXPECT_EQ(ram_.qword(at + 24 * i), raw(map[i].start)) << "entry " << i;
    EXPECT_EQ(ram_.qword(at + 24 * i + 8), map[i].length) << "entry " << i;
    EXPECT_EQ(ram_.qword(at + 24 * i + 16), static_cast<u64>(map[i].kind)) << "entry " << i;
  }
}

TEST_P(PvhTest, Modules) {
  const u64 list = ram_.qword(info_ + 16), first = ram_.qword(list), second = ram_.qword(list + 32);
  EXPECT_EQ(ram_.qword(list + 8), 5000u);
  EXPECT_TRUE(ram_.bytes(first, 5000) == pattern(5000));
  EXPECT_EQ(ram_.text(ram_.qword(list + 16)), "first one 1");
  EXPECT_EQ(ram_.bytes(second, 1), std::vector<u8>{7});
  EXPECT_EQ(ram_.text(ram_.qword(list + 48)), "second");
  expect_apart({{"kernel", kVmlinuxAddress, kVmlinuxMemory},
                {"first module", first, 5000},
                {"second module", second, 1},
                {"start info", info_, 56},
                {"module list", list, 64},
                {"memory map", ram_.qword(info_ + 40), 24 * ram_.info().memory_map.size()},
                {"command line", ram_.qword(info_ + 24), 15}},
               ram_.info());
}

INSTANTIATE_TEST_SUITE_P(Class, PvhTest, testing::Bool(),
                         [](const auto& row) { return row.param ? "Elf64" : "Elf32"; });

TEST(Pvh, WithoutModulesThereIsNoList) {
  GuestRam ram(32 * MiB);
  const auto state = ram.boot(shared(pvh_kernel(true)));
  ASSERT_TRUE(state) << state.error().message;
  const u64 info = state.value().gpr[cpu::kRbx];
  EXPECT_EQ(ram.dword(info + 12), 0u);
  EXPECT_EQ(ram.qword(info + 16), 0u);
}

TEST(Pvh, ModulesStayBelow4GiB) {
  GuestRam ram(4 * GiB);
  ElfSpec spec = vmlinux_spec();
  spec.notes = pvh_note(0x1000040);
  spec.segments[0].address = 3 * GiB - kVmlinuxMemory;
  expect_user_error(ram.boot(shared(make_elf(spec)), payload()), "module first: does not fit");
}

}  // namespace
}  // namespace tandem::tests
